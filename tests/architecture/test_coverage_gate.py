"""The gate behind `make test` says no when it should."""

import tomllib
from pathlib import Path

import pytest

from tests.support import coverage_gate
from tests.support.coverage_gate import CONFIGURATION, branches_by_area


def of(path: str, there: int, taken: int) -> dict[str, dict[str, dict[str, int]]]:
    return {path: {"summary": {"num_branches": there, "covered_branches": taken}}}


def test_branches_are_counted_by_area() -> None:
    files = of("api/auth.py", 10, 9) | of("api/users/service.py", 10, 10)
    areas = branches_by_area({"files": files | of("api/campaigns/service.py", 4, 1)})
    assert areas["auth"].percent == 95.0
    assert areas["campaigns"].percent == 25.0


def test_every_pattern_of_the_configuration_means_a_file(project_folder: Path) -> None:
    patterns = tomllib.loads(CONFIGURATION.read_text())["tool"]["coverage"]["run"]["include"]
    assert len(patterns) > 15
    assert [pattern for pattern in patterns if not list(project_folder.glob(pattern))] == []


def test_where_nothing_was_measured_the_gate_is_shut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert coverage_gate.main() == 1
