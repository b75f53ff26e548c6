"""docs/abuse.md names tests that exist."""

import re
from pathlib import Path

_TEST = re.compile(r"`(test_\w+)`")
_DEFINED = re.compile(r"^(?:async )?def (test_\w+)\(", re.MULTILINE)


def test_every_test_that_the_page_names_is_there(project_folder: Path) -> None:
    page = (project_folder / "docs/abuse.md").read_text(encoding="utf-8")
    named = _TEST.findall(page)
    defined = {
        name
        for file in (project_folder / "tests").rglob("test_*.py")
        for name in _DEFINED.findall(file.read_text(encoding="utf-8"))
    }
    assert len(named) > 80
    assert set(named) - defined == set()


def test_every_class_of_the_page_has_a_test(project_folder: Path) -> None:
    rows = [
        line
        for line in (project_folder / "docs/abuse.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("|") and not line.startswith(("| class |", "|---"))
    ]
    assert len(rows) > 40
    assert [row for row in rows if not _TEST.search(row)] == []
