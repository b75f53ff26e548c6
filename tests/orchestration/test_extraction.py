from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg
import pyarrow.parquet as pq
import pytest

from core.dsn import DatabaseRole
from core.errors import InvariantBroken
from core.settings import Settings
from core.store.warehouse import warehouse_dsn
from orchestration.lake import extract, files
from orchestration.warehouse import load
from tests.support.events import World, add_events, make_campaign_events, write_events

pytestmark = pytest.mark.xdist_group("data")

DAY = date(2026, 11, 20)


def _ids_in_lake(settings: Settings, day: date = DAY) -> list[int]:
    lake = files.lake_folder(settings.lake_url)
    manifest = files.read_manifest(lake, day)
    assert manifest is not None
    paths = files.paths_of(lake, [manifest])
    tables = [pq.read_table(path, columns=["event_id"]) for path in paths]
    return sorted(number for table in tables for number in table.column("event_id").to_pylist())


def test_event_that_commits_after_the_read_is_taken_by_the_next_run(
    settings: Settings, worlds: list[World]
) -> None:
    early, late = (
        make_campaign_events(worlds, day=DAY, messages=1, seed=1),
        make_campaign_events(worlds, day=DAY, messages=1, seed=2),
    )
    with psycopg.connect(settings.dsn(DatabaseRole.WORKER)) as slow:
        # The slow transaction takes its ids first and commits last: "id >" would lose it.
        write_events(slow, late)
        add_events(settings, early)
        first = extract.extract_day(settings, day=DAY, run_id="first")
        assert first.rows == 0, "rows above the horizon must wait for the older transaction"
        assert not first.closed
        slow.commit()
    second = extract.extract_day(settings, day=DAY, run_id="second")
    assert second.rows == len(early) + len(late)
    assert second.closed


def test_day_stays_open_while_a_transaction_that_may_write_into_it_lives(
    settings: Settings, worlds: list[World]
) -> None:
    add_events(settings, make_campaign_events(worlds, day=DAY, messages=3))
    with psycopg.connect(settings.dsn(DatabaseRole.WORKER)) as slow:
        slow.execute("select pg_current_xact_id()")
        assert not extract.extract_day(settings, day=DAY, run_id="a").closed
        assert not extract.extract_day(settings, day=DAY, run_id="b").closed
        slow.commit()
    with psycopg.connect(settings.dsn(DatabaseRole.WORKER)) as newer:
        # A transaction that began after the day's end cannot hold the day open.
        newer.execute("select pg_current_xact_id()")
        assert extract.extract_day(settings, day=DAY, run_id="c").closed


def test_today_is_never_closed(settings: Settings, worlds: list[World]) -> None:
    today = datetime.now(UTC).date()
    assert not extract.extract_day(settings, day=today, run_id="a").closed


def test_same_rows_give_the_same_bytes(settings: Settings, worlds: list[World]) -> None:
    add_events(settings, make_campaign_events(worlds, day=DAY, messages=200))
    first = extract.extract_day(settings, day=DAY, run_id="first")
    second = extract.extract_day(settings, day=DAY, run_id="second")
    assert first.rows > 800
    assert (first.sha256, first.files) == (second.sha256, second.files)


def test_reader_of_a_day_that_grew_sees_every_event_once(
    settings: Settings, worlds: list[World]
) -> None:
    add_events(settings, make_campaign_events(worlds, day=DAY, messages=20, seed=1))
    extract.extract_day(settings, day=DAY, run_id="first")
    add_events(settings, make_campaign_events(worlds, day=DAY, messages=20, seed=2))
    extract.extract_day(settings, day=DAY, run_id="second")
    with psycopg.connect(settings.dsn(DatabaseRole.DATA)) as connection:
        rows = connection.execute("select event_id from raw.message_events order by 1").fetchall()
    assert _ids_in_lake(settings) == [row[0] for row in rows]


def test_day_that_grew_after_it_was_read_is_read_again_by_the_next_day(
    settings: Settings, worlds: list[World]
) -> None:
    add_events(settings, make_campaign_events(worlds, day=DAY, messages=5, seed=1))
    extract.extract_day(settings, day=DAY, run_id="first")
    add_events(settings, make_campaign_events(worlds, day=DAY, messages=5, seed=2))
    following = DAY + timedelta(days=1)
    manifests = extract.extract_with_stragglers(settings, day=following, run_id="second")
    assert [manifest.ingest_date for manifest in manifests] == [following, DAY]
    assert all(count.agrees for count in extract.compare_with_source(settings, day=following))


def test_lake_holds_no_personal_data(settings: Settings, worlds: list[World]) -> None:
    add_events(settings, make_campaign_events(worlds, day=DAY, messages=2))
    extract.extract_day(settings, day=DAY, run_id="first")
    names = set(extract.lake_schema().names)
    assert not names & {"address", "name", "phone", "wamid", "content", "text", "contact_id"}


def test_manifest_that_names_a_damaged_file_stops_the_reader(
    settings: Settings, worlds: list[World]
) -> None:
    add_events(settings, make_campaign_events(worlds, day=DAY, messages=2))
    manifest = extract.extract_day(settings, day=DAY, run_id="first")
    lake = files.lake_folder(settings.lake_url)
    damaged = files.day_folder(lake, DAY) / manifest.files[0].path
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.raises(InvariantBroken, match="extract the day again"):
        files.paths_of(lake, [manifest])


def test_nothing_unfinished_stays_in_the_lake(settings: Settings, worlds: list[World]) -> None:
    add_events(settings, make_campaign_events(worlds, day=DAY, messages=2))
    extract.extract_day(settings, day=DAY, run_id="first")
    assert list((Path(settings.lake_url) / "_staging").iterdir()) == []


def test_warehouse_holds_each_event_of_the_lake_once_however_often_it_is_loaded(
    settings: Settings, worlds: list[World]
) -> None:
    add_events(settings, make_campaign_events(worlds, day=DAY, messages=30, seed=1))
    extract.extract_day(settings, day=DAY, run_id="first")
    assert [day.ingest_date for day in load.load_changed_days(settings, run_id="first")] == [DAY]
    assert load.load_changed_days(settings, run_id="again") == []
    add_events(settings, make_campaign_events(worlds, day=DAY, messages=30, seed=2))
    extract.extract_day(settings, day=DAY, run_id="second")
    load.load_changed_days(settings, run_id="second")
    with psycopg.connect(warehouse_dsn(settings)) as connection:
        rows = connection.execute(
            "select event_id, tenant_id, message_id from raw.message_events order by event_id"
        ).fetchall()
    with psycopg.connect(settings.dsn(DatabaseRole.DATA)) as connection:
        source = connection.execute(
            "select event_id, tenant_id, message_id from raw.message_events order by event_id"
        ).fetchall()
    assert rows == source
    assert len(rows) == len(set(rows))


def test_dimensions_are_replaced_and_never_added_to(
    settings: Settings, worlds: list[World]
) -> None:
    first = load.load_dimensions(settings)
    second = load.load_dimensions(settings)
    assert first == second
    assert first["tenants"] == 3
    assert first["meta_rates"] > 700
