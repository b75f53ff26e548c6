"""Fails when the tests left out more than one branch of ten of who is let in, or of campaigns.

    python -m tests.support.coverage_gate

reads what the run of pytest before it has written (tests/coverage.toml says of which files). `make
test` does so after a whole run only: a part of the tests can't reach everything.
"""

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from coverage import Coverage
from coverage.exceptions import CoverageException

CONFIGURATION: Final = Path(__file__).resolve().parents[1] / "coverage.toml"
LEAST_PERCENT: Final = 90
#: By the beginnings of paths; every file that is followed belongs to one.
AREAS: Final = {
    "campaigns": (
        "api/campaigns/",
        "api/plans/",
        "core/domain/campaign_state",
        "core/domain/canary",
        "core/domain/experiments",
        "core/domain/quiet_hours",
        "core/domain/schedules",
    ),
    "auth": ("api/", "core/"),
}


@dataclass(slots=True)
class Branches:
    """Those of one area."""

    there: int = 0
    taken: int = 0

    @property
    def percent(self) -> float:
        return 100 * self.taken / self.there if self.there else 0.0


def branches_by_area(
    report: dict[str, dict[str, dict[str, dict[str, int]]]],
) -> dict[str, Branches]:
    """From coverage's JSON report, of each area."""
    areas = {name: Branches() for name in AREAS}
    for path, file in report["files"].items():
        area = next(name for name, starts in AREAS.items() if path.startswith(starts))
        areas[area].there += file["summary"]["num_branches"]
        areas[area].taken += file["summary"]["covered_branches"]
    return areas


def main() -> int:
    """Print each area's share; 1 when one is below the least, or nothing was measured."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        coverage = Coverage(config_file=str(CONFIGURATION))
        try:
            coverage.load()
            coverage.json_report(outfile=str(report))
        except CoverageException as error:
            print(f"coverage: nothing was measured: {error}", file=sys.stderr)
            return 1
        areas = branches_by_area(json.loads(report.read_text()))
    for name, branches in areas.items():
        print(f"coverage: {name} {branches.percent:.1f} % of {branches.there} branches")
    low = [name for name, branches in areas.items() if branches.percent < LEAST_PERCENT]
    if low:
        print(f"coverage: below {LEAST_PERCENT} %: {', '.join(low)}", file=sys.stderr)
    return int(bool(low))


if __name__ == "__main__":
    sys.exit(main())
