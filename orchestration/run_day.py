"""Runs the whole daily job for one day in this process, on the real Dagster instance.

    python -m orchestration.run_day --date 2026-11-23

Prints one line a step; exit code 1 when a step or a blocking check failed. The run shows in the UI
like any other. Dagster's home is prepared from the CARTEIRO_* settings.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    import dagster as dg

Say = Callable[[str], None]


def main(day: date, *, say: Say | None = None) -> bool:
    """Run `daily_usage` for an ingest day; True when everything passed.

    Progress goes to `say` (default: standard output); the chatter of dbt and Dagster to standard
    error.
    """
    started = time.monotonic()
    say = say or _printer(sys.stdout)
    with redirect_stdout(sys.stderr):
        return _run(day, say, started)


def _printer(stream: TextIO) -> Say:
    def write(line: str) -> None:
        stream.write(line + "\n")
        stream.flush()

    return write


def _run(day: date, say: Say, started: float) -> bool:
    _prepare_environment()
    import dagster as dg

    from orchestration.definitions import defs

    job = defs.resolve_job_def("daily_usage").with_hooks(_progress(say, started))
    say(f"{time.monotonic() - started:5.1f} s  data path ready for {day}")
    with dg.DagsterInstance.get() as instance:
        result = job.execute_in_process(
            instance=instance, partition_key=day.isoformat(), raise_on_error=False
        )
    for line in _failures(result):
        say(line)
    outcome = "finished" if result.success else "FAILED"
    say(f"{time.monotonic() - started:5.1f} s  {outcome}, run {result.run_id}")
    return bool(result.success)


def _prepare_environment() -> None:
    from core.settings import get_settings
    from orchestration.instance import dagster_environment, prepare_dagster_home

    prepare_dagster_home(get_settings())
    os.environ.update(dagster_environment(get_settings()))


def _progress(say: Say, started: float) -> "set[dg.HookDefinition]":
    import dagster as dg

    @dg.success_hook(name="say_done")
    def say_done(context: dg.HookContext) -> None:
        say(f"{time.monotonic() - started:5.1f} s  {context.step_key}")

    @dg.failure_hook(name="say_failed")
    def say_failed(context: dg.HookContext) -> None:
        say(f"{time.monotonic() - started:5.1f} s  {context.step_key} FAILED")

    return {say_done, say_failed}


def _failures(result: "dg.ExecuteInProcessResult") -> list[str]:
    """Checks that did not pass, and the reason of steps that failed, in one line each."""
    lines = [
        f"         check {check.check_name} of {check.asset_key.to_user_string()}: "
        + ("warning" if check.severity.value == "WARN" else "FAILED")
        for check in result.get_asset_check_evaluations()
        if not check.passed
    ]
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            cause = error.cause if error and error.cause else error
            lines.append(f"         {event.step_key}: {cause.message.strip() if cause else ''}")
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--date", default=datetime.now(UTC).date().isoformat())
    arguments = parser.parse_args()
    sys.exit(0 if main(date.fromisoformat(arguments.date)) else 1)
