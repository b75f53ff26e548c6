"""`python -m tests.load [--json] [--only NAME] [--minutes N]`: measure, and print one table."""

import argparse
import os
import sys
import traceback

from tests.load.registry import Benchmark, Row, all_benchmarks
from tests.load.report import print_json, print_table
from tests.load.stage import open_stage
from tests.support.settings import SECRET_KEY, forget_product_environment


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmarks; 1 when one could not run, or when `--only` names none."""
    options = _parser().parse_args(arguments)
    known = all_benchmarks()
    chosen = [one for one in known if _is_meant(one, options.only or "")]
    if not chosen:
        names = ", ".join(promise.name for one in known for promise in one.promises)
        print(f"no row is called {options.only!r}; there are: {names}", file=sys.stderr)
        return 1
    rows: list[Row] = []
    failed = False
    _announce(chosen)
    for one in chosen:
        measured = _run(one, options.minutes)
        failed |= not measured
        rows += measured
        if options.json:
            for row in measured:
                print_json(row)
    if rows and not options.json:
        print_table(rows)
    return int(failed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object a row")
    parser.add_argument("--only", metavar="NAME", help="only rows whose name begins so")
    parser.add_argument(
        "--minutes",
        type=float,
        default=1.0,
        metavar="N",
        help="how long the whole loop is kept going (1; the promise is about 5)",
    )
    return parser


def _is_meant(one: Benchmark, beginning: str) -> bool:
    return any(promise.name.startswith(beginning) for promise in one.promises)


def _announce(chosen: list[Benchmark]) -> None:
    total = sum(one.seconds for one in chosen)
    print(f"about {total} s on a free machine:", file=sys.stderr)
    for one in chosen:
        print(f"  {one.seconds:4d} s  {one.name}", file=sys.stderr)


def _run(one: Benchmark, minutes: float) -> list[Row]:
    """Its rows, or none with the reason on stderr: what could not be measured has no figure."""
    try:
        with open_stage(one.name, minutes=minutes) as stage:
            stage.say("begins")
            return one.run(stage)
    except Exception:  # noqa: BLE001 - the others are still worth measuring
        print(f"{one.name}: could not run\n{traceback.format_exc()}", file=sys.stderr)
        return []


if __name__ == "__main__":
    forget_product_environment()
    # Worlds are written by this process: account tokens are sealed in them.
    os.environ["CARTEIRO_SECRET_KEY"] = SECRET_KEY
    sys.exit(main())
