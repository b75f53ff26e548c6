"""`python -m tests.load [--json] [--only NAME]`: measure, and print one table."""

import argparse
import os
import sys
import traceback

from tests.load.registry import Benchmark, all_benchmarks
from tests.load.report import Row, print_json, print_table
from tests.load.stage import open_stage
from tests.support.settings import SECRET_KEY, forget_product_environment


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmarks; 1 when one could not run, or when `--only` names none."""
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object a row")
    parser.add_argument("--only", metavar="NAME", help="only benchmarks whose name begins so")
    options = parser.parse_args(arguments)
    known = all_benchmarks()
    chosen = [one for one in known if one.name.startswith(options.only or "")]
    if not chosen:
        names = ", ".join(one.name for one in known)
        print(f"no benchmark is called {options.only!r}; there are: {names}", file=sys.stderr)
        return 1
    rows, failed = [], False
    for one in chosen:
        row = _run(one)
        failed |= row is None
        if row is None:
            continue
        rows.append(row)
        if options.json:
            print_json(row)
    if rows and not options.json:
        print_table(rows)
    return int(failed)


def _run(one: Benchmark) -> Row | None:
    """A row, or None with the reason on stderr: what could not be measured has no figure."""
    try:
        with open_stage(one.name) as stage:
            stage.say("begins")
            return Row(benchmark=one, figure=one.measure(stage))
    except Exception:  # noqa: BLE001 - the others are still worth measuring
        print(f"{one.name}: could not run\n{traceback.format_exc()}", file=sys.stderr)
        return None


if __name__ == "__main__":
    forget_product_environment()
    # Worlds are written by this process: account tokens are sealed in them.
    os.environ["CARTEIRO_SECRET_KEY"] = SECRET_KEY
    sys.exit(main())
