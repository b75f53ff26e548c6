"""The data path of the story: one Dagster run of today, told line by line."""

import subprocess
import sys
from collections.abc import Sequence
from datetime import date

import psycopg
from psycopg.rows import dict_row
from rich.console import Console

from carteiro.demo.client import DemoFailed, Json
from carteiro.stack import Stack
from core.settings import Settings
from core.store.queries import load

_TAIL = 25


def materialize(stack: Stack, console: Console, *, day: date) -> None:
    """Run the daily job for one day, as the schedule would. Raises DemoFailed with its end."""
    command = [sys.executable, "-m", "orchestration.run_day", "--date", day.isoformat()]
    tail: list[str] = []
    with (
        (stack.home.logs / "run_day.log").open("w", encoding="utf-8") as errors,
        subprocess.Popen(
            command, env=stack.env, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        if process.stdout is None:
            raise DemoFailed("the data path's output cannot be read")
        for line in process.stdout:
            console.print(f"  {line.rstrip()}", markup=False, highlight=False)
            tail = [*tail[-_TAIL:], line]
    if process.returncode != 0:
        raise DemoFailed(
            f"the data path failed; its log is {stack.home.logs / 'run_day.log'}\n{''.join(tail)}"
        )


def reconciliation(settings: Settings, waba_ids: Sequence[str]) -> list[Json]:
    """The published reconciliation of these accounts."""
    with psycopg.connect(settings.warehouse_dsn(), row_factory=dict_row) as connection:
        return connection.execute(
            load("reconciliation").list_of_accounts, {"waba_ids": list(waba_ids)}
        ).fetchall()
