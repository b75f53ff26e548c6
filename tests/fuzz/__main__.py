"""`make fuzz`: schemathesis with every check against the live API, in rounds.

A round tries every operation; so a run that is cut short has tried all of them alike.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.fuzz.arena import Arena, arena

PROJECT: Final = Path(__file__).resolve().parents[2]
#: Examples an operation in one round: what is kept of them fits into 500 MB.
_ROUND: Final = 100


@dataclass(slots=True)
class Tally:
    """What became of the requests of one operation."""

    examples: int = 0
    failed: int = 0
    statuses: Counter[str] = field(default_factory=Counter)


def main(arguments: Sequence[str]) -> int:
    """Run; returns 0 when nothing was found."""
    wanted = _parser().parse_args(arguments)
    with arena() as stage, tempfile.TemporaryDirectory(prefix="carteiro-fuzz-") as folder:
        tallies: dict[str, Tally] = {}
        clean = True
        done, started = 0, time.monotonic()
        while done < wanted.examples and (clean or wanted.keep_going):
            if wanted.minutes and time.monotonic() - started > wanted.minutes * 60:
                break
            examples = min(_ROUND, wanted.examples - done)
            phases = "fuzzing" if done or wanted.quick else "examples,coverage,fuzzing"
            output = Path(folder) / "output"
            counts = Path(folder) / "counts"
            counts.write_text("")
            found = _round(stage, wanted, examples, wanted.seed + done, phases, output, counts)
            clean = clean and found
            if not found:
                print(_failures(output.read_text()))
            _add(tallies, counts)
            done += examples
            total = sum(tally.examples for tally in tallies.values())
            seconds = time.monotonic() - started
            print(
                f"[{seconds:6.0f} s] up to {done} examples an operation: {total} requests of "
                f"{len(tallies)} operations, {'nothing found' if clean else 'FAILURES'}",
                flush=True,
            )
        _print_summary(tallies)
        if not clean:
            print(f"again: make fuzz ARGS='--examples {wanted.examples} --seed {wanted.seed}'")
        errors = _errors(stage.path.folder / "api.log")
        print(*errors[:20], f"the API logged {len(errors)} errors", sep="\n")
    return 0 if clean and tallies and not errors else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--examples", type=int, default=200, help="an operation, at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=0, help="begin no further round then")
    parser.add_argument("--only", default="", help="operation ids, as a regular expression")
    parser.add_argument("--keep-going", action="store_true", help="also after a failure")
    parser.add_argument("--quick", action="store_true", help="random examples only")
    return parser


def _round(
    stage: Arena,
    wanted: argparse.Namespace,
    examples: int,
    seed: int,
    phases: str,
    output: Path,
    counts: Path,
) -> bool:
    """One run of schemathesis; whether it found nothing."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{stage.url}/openapi.json"),
        *("--checks", "all", "--phases", phases, "--max-examples", str(examples)),
        *("--seed", str(seed), "--continue-on-failure", "--generation-database", "none"),
        *("--no-color", "--request-timeout", "30", "--suppress-health-check", "all"),
    ]
    if wanted.only:
        command += ["--include-operation-id-regex", wanted.only]
    environment = {
        **os.environ,
        **stage.environment(),
        "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks",
        "PYTHONPATH": str(PROJECT),
        "FUZZ_COUNTS": str(counts),
    }
    with output.open("w") as file:
        # Its folder of reports and caches belongs to no one's project.
        done = subprocess.run(
            command, cwd=output.parent, env=environment, stdout=file, stderr=file, check=False
        )
    return done.returncode == 0


def _add(tallies: dict[str, Tally], counts: Path) -> None:
    for line in counts.read_text().splitlines():
        found = json.loads(line)
        tally = tallies.setdefault(found["operation"], Tally())
        tally.examples += found["examples"]
        tally.failed += found["failed"]
        tally.statuses.update(found["statuses"])


def _failures(output: str) -> str:
    """The part of schemathesis' own report that says what failed and how to do it again."""
    start = output.find("= FAILURES =")
    start = output.find("= ERRORS =") if start < 0 else start
    return output[output.rfind("\n", 0, start) + 1 :]


def _print_summary(tallies: dict[str, Tally]) -> None:
    print(f"\n{'operation':62} {'requests':>9} {'failed':>7}  statuses")
    for name, tally in sorted(tallies.items()):
        statuses = " ".join(f"{status}:{count}" for status, count in sorted(tally.statuses.items()))
        print(f"{name:62} {tally.examples:9} {tally.failed:7}  {statuses}")
    examples = sum(tally.examples for tally in tallies.values())
    failed = sum(tally.failed for tally in tallies.values())
    fewest = min((tally.examples for tally in tallies.values()), default=0)
    print(f"{len(tallies)} operations, {examples} requests (fewest {fewest}), {failed} failed")


def _errors(log: Path) -> list[str]:
    return [line for line in log.read_text().splitlines() if '"level":"error"' in line]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
