"""The page of the error atlas is the atlas."""

from pathlib import Path

from typer.testing import CliRunner

from carteiro.cli import app
from core.domain.provider_errors import ATLAS

PAGE = Path(__file__).parents[2] / "docs" / "error-atlas.md"


def test_the_page_is_what_the_command_prints() -> None:
    printed = CliRunner().invoke(app, ["send", "errors", "--markdown"])
    assert printed.exit_code == 0
    assert PAGE.read_text(encoding="utf-8") == printed.output, (
        "write it anew: carteiro send errors --markdown > docs/error-atlas.md"
    )


def test_every_code_has_its_row() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    shown: set[int] = set()
    for row in rows[1:]:
        first, _, last = row.split("|")[1].strip().partition("-")
        shown |= set(range(int(first), int(last or first) + 1))
    assert set(ATLAS) <= shown


def test_one_code_is_explained_also_one_nobody_knows() -> None:
    known = CliRunner().invoke(app, ["send", "errors", "131049"], env={"COLUMNS": "200"})
    assert "marketing only" in known.output
    unknown = CliRunner().invoke(app, ["send", "errors", "999999"], env={"COLUMNS": "200"})
    assert "look it up and add a rule" in unknown.output
