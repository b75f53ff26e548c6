"""The data path without Dagster: the plain functions in their order, for one day."""

import os
import subprocess
from collections.abc import Mapping
from datetime import UTC, date, datetime

from core.settings import Settings
from orchestration.lake import extract
from orchestration.usage import rollup
from orchestration.warehouse import load
from orchestration.warehouse.dbt_runs import (
    DBT_EXECUTABLE,
    DBT_PROJECT,
    dbt_environment,
    run_options,
)

AS_OF = datetime(2026, 11, 23, 12, tzinfo=UTC)


def load_day(settings: Settings, day: date, *, run_id: str = "test") -> None:
    """Live tables to lake, warehouse and the lake's own count."""
    extract.extract_with_stragglers(settings, day=day, run_id=run_id)
    load.load_changed_days(settings, run_id=run_id)
    load.load_dimensions(settings)
    rollup.store_lake_usage(settings, rollup.roll_up_lake(settings))


def run_dbt(settings: Settings, *arguments: str, target: str) -> str:
    """Run dbt on the test's warehouse; fails with dbt's own words. Returns what it printed."""
    environment: Mapping[str, str] = {
        **os.environ,
        **dbt_environment(settings),
        **run_options(as_of=AS_OF),
        "DBT_PROFILES_DIR": str(DBT_PROJECT),
        "DBT_TARGET_PATH": target,
        "DBT_LOG_PATH": target,
    }
    done = subprocess.run(
        [str(DBT_EXECUTABLE), *arguments],
        cwd=DBT_PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout
