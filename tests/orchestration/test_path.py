"""One dbt build serves all tests of this file: the world, what was published, what was billed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import psycopg
import pytest

from core.domain.ids import new_id
from core.dsn import DatabaseRole
from core.errors import InvariantBroken
from core.settings import Settings
from core.store.invoice_drafts import DraftOutcome
from core.store.warehouse import prepare_warehouse, warehouse_dsn
from exports.manifest import verify
from exports.write import export_folder
from orchestration.billing import drafts
from orchestration.tenant_exports import run as export_run
from orchestration.usage import compare
from orchestration.warehouse import publish
from tests.support.data_path import load_day, run_dbt
from tests.support.databases import DatabaseServer
from tests.support.events import (
    Event,
    World,
    add_events,
    make_campaign_events,
    make_worlds,
)

pytestmark = [pytest.mark.xdist_group("data"), pytest.mark.timeout(300)]

DAY = date(2026, 11, 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Path1:
    settings: Settings
    worlds: list[World]
    target: str
    delivered: int


def _one(world: World, at: datetime, **changes: object) -> list[Event]:
    """A delivered message of one instant, arrived on DAY."""
    arrived = datetime(DAY.year, DAY.month, DAY.day, 12, tzinfo=UTC)
    values: dict[str, object] = {
        "world": world,
        "message_id": new_id(at),
        "event_type": "delivered",
        "occurred_at": at,
        "ingested_at": arrived,
        "pricing_type": "regular",
    }
    return [Event(**{**values, **changes})]  # type: ignore[arg-type]


def _edge_cases(worlds: list[World]) -> list[Event]:
    """Messages on the border of a day, a month and a regime, and some nobody can price."""
    brazil, portugal, india = worlds
    border = datetime(2026, 10, 1, 2, 30, tzinfo=UTC)
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    return [
        *_one(brazil, border, category="utility", pricing_type="free_customer_service"),
        *_one(brazil, border + timedelta(hours=1), category="utility"),
        *_one(india, border, category="utility"),
        *_one(portugal, noon, market=None, country="ZZ"),
        *_one(india, noon, market=None, country="ZZ"),
        *_one(india, noon, pricing_type=None, pricing_category=None),
        # Read arrives, delivered never does: it is delivered all the same.
        *_one(brazil, noon, event_type="read"),
        # Before any subscription: nobody may bill it, nobody may lose it.
        *_one(brazil, datetime(2025, 12, 31, 12, tzinfo=UTC)),
    ]


@pytest.fixture(scope="module")
def path(
    embedded_server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path1]:
    from core.store import migrate

    home = tmp_path_factory.mktemp("path")
    with embedded_server.migrated_database() as fresh:
        migrate.bootstrap(fresh)
        prepare_warehouse(fresh)
        settings = fresh.model_copy(
            update={
                "home": home,
                "lake_url": str(home / "lake"),
                "exports_dir": home / "exports",
            }
        )
        worlds = make_worlds(settings)
        events = make_campaign_events(worlds, day=DAY, messages=600) + _edge_cases(worlds)
        add_events(settings, events)
        load_day(settings, DAY)
        target = str(home / "target")
        run_dbt(settings, "build", target=target)
        delivered = {e.message_id for e in events if e.event_type in {"delivered", "read"}}
        yield Path1(settings=settings, worlds=worlds, target=target, delivered=len(delivered))


def _rows(path: Path1, query: str, *params: object) -> list[tuple[object, ...]]:
    with psycopg.connect(warehouse_dsn(path.settings)) as connection:
        return connection.execute(query, params).fetchall()


@pytest.fixture(scope="module")
def published(path: Path1) -> Path1:
    assert set(publish.publish_marts(path.settings, run_id="one")) == publish.EXPECTED
    return path


def test_both_counts_agree_with_what_was_sent(path: Path1) -> None:
    compared = compare.compare_counts(path.settings)
    assert compared.differences == ()
    assert compared.warehouse == compared.lake == path.delivered


def test_a_lost_and_a_doubled_event_of_the_lake_are_seen(path: Path1) -> None:
    with psycopg.connect(warehouse_dsn(path.settings)) as connection:
        connection.execute(
            "update raw.lake_usage set delivered_count = delivered_count + 1 "
            "where ctid = (select min(ctid) from raw.lake_usage)"
        )
        connection.commit()
        try:
            assert len(compare.compare_counts(path.settings).differences) == 1
        finally:
            connection.execute(
                "update raw.lake_usage set delivered_count = delivered_count - 1 "
                "where ctid = (select max(ctid) from raw.lake_usage)"
            )
            connection.commit()
    assert compare.compare_counts(path.settings).differences == ()


def test_half_past_two_utc_on_1_october_is_still_september_in_sao_paulo(path: Path1) -> None:
    brazil, _, india = path.worlds
    rows = _rows(
        path,
        "select tenant_date, account_date, cost_state, cost_reason, meta_cost "
        "from intermediate.int_messages_costed "
        "where tenant_id = %s and account_date between '2026-09-30' and '2026-10-01' "
        "order by delivered_at",
        brazil.tenant_id,
    )
    september, october = date(2026, 9, 30), date(2026, 10, 1)
    assert [row[:4] for row in rows] == [
        (september, september, "free", "free_customer_service"),
        (october, october, "rated", None),
    ]
    assert rows[1][4] is not None
    indian = _rows(
        path,
        "select account_date from intermediate.int_messages_costed "
        "where tenant_id = %s and account_date = '2026-10-01'",
        india.tenant_id,
    )
    assert indian == [(october,)]


def test_what_nobody_can_price_is_unknown_or_held_and_never_zero(path: Path1) -> None:
    rows = _rows(
        path,
        "select billing_state, billing_reason, count(*) from intermediate.int_messages_priced "
        "where billing_state in ('held', 'unknown') group by 1, 2 order by 1, 2",
    )
    assert rows == [
        ("held", "no_subscription", 1),
        ("unknown", "cost_no_market", 1),
        ("unknown", "cost_pricing_not_reported", 1),
    ]
    unknown = _rows(
        path,
        "select currency, cost_reason, sum(messages_count)::int, count(meta_cost) "
        "from marts_wip.meta_costs where cost_state = 'unknown' group by 1, 2 order by 1, 2",
    )
    # Brazil's card in reais begins on 2026-07-01; a message of 2025 has no rate.
    assert unknown == [
        ("BRL", "no_rate", 1, 0),
        ("EUR", "no_market", 1, 0),
        ("INR", "no_market", 1, 0),
        ("INR", "pricing_not_reported", 1, 0),
    ]


def test_tenant_reads_its_own_published_rows_only(published: Path1) -> None:
    query = "select distinct tenant_id from tenant_marts.usage_daily"
    dsn = warehouse_dsn(published.settings, DatabaseRole.APP)
    mine = published.worlds[0].tenant_id
    with psycopg.connect(dsn) as connection:
        assert connection.execute(query).fetchall() == []
        connection.execute("select set_config('app.tenant_id', %s, true)", (str(mine),))
        assert connection.execute(query).fetchall() == [(mine,)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select 1 from marts.usage_daily")


def test_publishing_without_all_relations_publishes_nothing(published: Path1) -> None:
    before = _rows(published, "select sum(delivered_count) from marts.usage_daily")
    with psycopg.connect(warehouse_dsn(published.settings)) as connection:
        connection.execute("create table marts_wip.usage_daily (tenant_id uuid)")
    try:
        with pytest.raises(InvariantBroken, match="dbt has not written"):
            publish.publish_marts(published.settings, run_id="half")
    finally:
        with psycopg.connect(warehouse_dsn(published.settings)) as connection:
            connection.execute("drop table marts_wip.usage_daily")
    assert _rows(published, "select sum(delivered_count) from marts.usage_daily") == before


def _billing(path: Path1) -> list[tuple[object, ...]]:
    with psycopg.connect(path.settings.database_url) as connection:
        return connection.execute(
            "select i::text, (select string_agg(l::text, '|' order by line_no) "
            "from billing.invoice_lines as l where l.invoice_id = i.invoice_id) "
            "from billing.invoices as i order by 1"
        ).fetchall()


def test_drafting_twice_leaves_the_same_bytes(published: Path1) -> None:
    first = drafts.write_drafts(published.settings, run_id="first")
    stored = _billing(published)
    second = drafts.write_drafts(published.settings, run_id="second")
    assert {item.outcome for item in first} == {DraftOutcome.WRITTEN}
    assert {item.outcome for item in second} == {DraftOutcome.UNCHANGED}
    assert _billing(published) == stored
    assert len(stored) >= 3


def test_month_with_a_message_that_has_no_price_is_parked_with_the_reason(
    published: Path1,
) -> None:
    written = drafts.write_drafts(published.settings, run_id="any")
    november = {
        item.draft.currency: item.reasons
        for item in written
        if item.draft.period_start == date(2026, 11, 1)
    }
    assert november == {"BRL": (), "EUR": (), "INR": ("messages_without_price",)}


def test_final_invoice_is_never_touched(published: Path1) -> None:
    drafts.write_drafts(published.settings, run_id="any")
    with psycopg.connect(published.settings.database_url) as connection:
        connection.execute("update billing.invoices set status = 'final', inputs_digest = 'x'")
    stored = _billing(published)
    outcomes = {item.outcome for item in drafts.write_drafts(published.settings, run_id="late")}
    assert outcomes == {DraftOutcome.FINAL}
    assert _billing(published) == stored


def test_standard_export_holds_each_message_of_its_tenant_and_no_other(published: Path1) -> None:
    import pyarrow.parquet as pq

    results = export_run.run_exports(published.settings, day=DAY)
    assert [result.failure for result in results] == [None] * 3
    for result in results:
        manifest = verify(export_folder(published.settings, result.tenant_id, result.export_id))
        folder = export_folder(published.settings, result.tenant_id, result.export_id)
        table = pq.read_table(folder / manifest.file)
        expected = _rows(
            published,
            "select message_id::text from marts.export_messages where tenant_id = %s "
            "and last_event_at >= '2026-11-01' and last_event_at < '2026-12-01' "
            "order by message_id",
            result.tenant_id,
        )
        assert [(value,) for value in table.column("message_id").to_pylist()] == expected
        assert manifest.snapshot["run_id"] == "one"


def test_export_of_an_unknown_dataset_fails_alone_and_says_why(published: Path1) -> None:
    wrong, right = UUID(int=1), UUID(int=2)
    tenant = published.worlds[0].tenant_id
    with psycopg.connect(published.settings.database_url) as connection:
        for export_id, dataset in ((wrong, "secrets"), (right, "usage")):
            connection.execute(
                "insert into app.exports (tenant_id, export_id, dataset, format, requested_by) "
                "values (%s, %s, %s, 'csv', 'test')",
                (tenant, export_id, dataset),
            )
    results = {r.export_id: r for r in export_run.run_exports(published.settings, day=DAY)}
    assert "there is no dataset secrets" in str(results[wrong].failure)
    assert results[right].manifest is not None
    assert not export_folder(published.settings, tenant, wrong).exists()


def test_building_the_same_events_again_gives_the_same_marts(published: Path1) -> None:
    names = sorted(publish.EXPECTED)
    before = {name: _digest(published, f"marts.{name}") for name in names}
    run_dbt(published.settings, "run", target=published.target)
    after = {name: _digest(published, f"marts_wip.{name}") for name in names}
    assert after == before


def _digest(path: Path1, relation: str) -> object:
    query = f"select md5(string_agg(r::text, '|' order by r::text)) from {relation} as r"
    return _rows(path, query)[0]
