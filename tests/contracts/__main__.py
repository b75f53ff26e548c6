"""`python -m tests.contracts`: lint the present document with Redocly, as `make check` does."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from carteiro.commands.contract import as_text, present_document
from tests.contracts.tools import lint


def lint_present_document() -> list[str]:
    """What Redocly finds wrong with the document of this code."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "openapi.json"
        path.write_text(as_text(present_document()), "utf-8")
        return lint(path)


if __name__ == "__main__":
    found = lint_present_document()
    print("\n".join(found) or "redocly: nothing to say about the OpenAPI document")
    sys.exit(bool(found))
