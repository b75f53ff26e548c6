"""The whole job in its own process, on the real Dagster storage, as the demo runs it."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from core.settings import Settings
from core.store.warehouse import warehouse_dsn
from tests.support.events import World, add_events, make_campaign_events

pytestmark = [pytest.mark.xdist_group("data"), pytest.mark.slow, pytest.mark.timeout(400)]


def _run(settings: Settings, day: str, project_folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "CARTEIRO_DATABASE_URL": settings.database_url,
        "CARTEIRO_SECRET_KEY": settings.secret_key.get_secret_value(),
        "CARTEIRO_HOME": str(settings.home),
        # Nobody listens there: Meta is silent, and the run must say so and go on.
        "CARTEIRO_META_BASE_URL": "http://127.0.0.1:9",
    }
    return subprocess.run(
        [sys.executable, "-m", "orchestration.run_day", "--date", day],
        cwd=project_folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_open_day_is_run_twice_and_counts_each_message_once(
    settings: Settings, worlds: list[World], project_folder: Path
) -> None:
    today = datetime.now(UTC).date()
    sums = []
    for seed in (1, 2):
        add_events(settings, make_campaign_events(worlds, day=today, messages=60, seed=seed))
        done = _run(settings, today.isoformat(), project_folder)
        assert done.returncode == 0, done.stdout + done.stderr[-3000:]
        assert "tenant_exports" in done.stdout
        assert "every_account_was_answered of meta_pricing_analytics: warning" in done.stdout
        with psycopg.connect(warehouse_dsn(settings)) as connection:
            row = connection.execute(
                "select sum(delivered_count), (select count(*) from marts.export_messages) "
                "from marts.usage_daily"
            ).fetchone()
        sums.append(row)
    with psycopg.connect(settings.database_url) as connection:
        source = connection.execute(
            "select count(distinct message_id) filter (where event_type in ('delivered', 'read')),"
            " count(distinct message_id) from raw.message_events"
        ).fetchone()
    assert sums[1] == source
    assert sums[0] != sums[1]
    with psycopg.connect(settings.dagster_dsn()) as connection:
        runs = connection.execute("select status from runs").fetchall()
    assert runs == [("SUCCESS",), ("SUCCESS",)]
