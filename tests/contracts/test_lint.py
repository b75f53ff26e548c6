"""Redocly, at its strictest, has nothing to say about the document."""

import json
from pathlib import Path

import pytest

from tests.contracts.__main__ import lint_present_document
from tests.contracts.tools import lint
from tests.support.contract import document

#: `make check` runs the linter itself.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_redocly_finds_nothing() -> None:
    assert lint_present_document() == []


def test_redocly_would_find_something(tmp_path: Path) -> None:
    """A linter that found nothing because it read nothing would look the same."""
    broken = json.loads(json.dumps(document()))
    del broken["paths"]["/v1/tenant"]["get"]["summary"]
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(broken), "utf-8")
    found = lint(path)
    assert [each.split(" at ")[0] for each in found] == ["operation-summary"]
