"""Usage from the lake by one Ibis expression: DuckDB here, the same expression on Spark elsewhere.

A message is delivered at its first `delivered` or `read` event (read implies delivered); it counts
on the local day of that instant, once on the tenant's clock and once on the account's.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg

from core.dsn import DatabaseRole
from core.settings import Settings
from core.store.queries import load
from core.store.warehouse import warehouse_dsn
from orchestration.lake import codes, files

if TYPE_CHECKING:
    import ibis.expr.types as ir

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_SECONDS = 86_400
KEYS = (
    "tenant_id",
    "waba_id",
    "phone_number_id",
    "campaign_id",
    "tenant_day",
    "account_day",
    "category_code",
    "market",
    "country",
    "pricing_category_code",
    "pricing_type_code",
)


def usage_rollup(events: "ir.Table", clocks: "ir.Table") -> "ir.Table":
    """Delivered and read messages by KEYS; days are counted from 1970-01-01.

    `events` is lake table message_events; `clocks` says, for each tenant and account, by how many
    seconds its local time is ahead of UTC in each half-open span of UTC seconds.
    """
    import ibis

    delivered_code = codes.code_of("event_type", "delivered")
    read_code = codes.code_of("event_type", "read")
    sent_code = codes.code_of("event_type", "sent")
    relevant = events.filter(events.event_type_code.isin([sent_code, delivered_code, read_code]))
    # The same fact can be written twice; the first one by time, then by id, is the one.
    first = relevant.mutate(
        copy_number=ibis.row_number().over(
            group_by=["tenant_id", "message_id", "event_type_code"],
            order_by=["occurred_at", "event_id"],
        )
    ).filter(ibis._.copy_number == 0)
    # Within one second Meta's order is sent, delivered, read: the code breaks the tie.
    moment = first.mutate(
        order_key=epoch_second(first.occurred_at) * 1_000 + first.event_type_code.cast("int64")
    )
    is_delivery = moment.event_type_code.isin([delivered_code, read_code])
    is_priced = moment.pricing_type_code.notnull()
    messages = moment.group_by(["tenant_id", "message_id"]).aggregate(
        waba_id=moment.waba_id.min(),
        phone_number_id=moment.phone_number_id.min(),
        campaign_id=moment.campaign_id.max(),
        category_code=moment.category_code.min(),
        market=moment.market.min(),
        country=moment.country.min(),
        delivered_second=epoch_second(moment.occurred_at).min(where=is_delivery),
        was_read=(moment.event_type_code == read_code).cast("int64").max(),
        pricing_type_code=moment.pricing_type_code.argmin(moment.order_key, where=is_priced),
        pricing_category_code=moment.pricing_category_code.argmin(
            moment.order_key, where=is_priced
        ),
    )
    delivered = messages.filter(messages.delivered_second.notnull())
    dated = delivered.inner_join(
        clocks,
        [
            delivered.tenant_id == clocks.clock_tenant_id,
            delivered.waba_id == clocks.clock_waba_id,
            delivered.delivered_second >= clocks.from_second,
            delivered.delivered_second < clocks.to_second,
        ],
    ).mutate(
        tenant_day=((ibis._.delivered_second + ibis._.tenant_offset) // _DAY_SECONDS).cast("int64"),
        account_day=((ibis._.delivered_second + ibis._.account_offset) // _DAY_SECONDS).cast(
            "int64"
        ),
    )
    return dated.group_by(list(KEYS)).aggregate(
        delivered_count=ibis._.count(), read_count=ibis._.was_read.sum()
    )


def clock_spans(
    accounts: Iterable[tuple[UUID, str, str, str]], *, start: datetime, end: datetime
) -> list[dict[str, object]]:
    """How far local time is ahead of UTC, for (tenant, account, tenant's zone, account's zone).

    One row a span between two changes of either clock; found by bisection in Python's own zone
    data, so that neither engine's zone tables can make both counts wrong in the same way.
    """
    spans: dict[tuple[str, str], list[tuple[int, int, int, int]]] = {}
    rows: list[dict[str, object]] = []
    for tenant_id, waba_id, tenant_zone, account_zone in accounts:
        zones = (tenant_zone, account_zone)
        if zones not in spans:
            spans[zones] = list(_spans(zones, start, end))
        rows += [
            {
                "clock_tenant_id": tenant_id.bytes,
                "clock_waba_id": waba_id,
                "from_second": begin,
                "to_second": stop,
                "tenant_offset": tenant_offset,
                "account_offset": account_offset,
            }
            for begin, stop, tenant_offset, account_offset in spans[zones]
        ]
    return rows


def _spans(
    zones: tuple[str, str], start: datetime, end: datetime
) -> Iterable[tuple[int, int, int, int]]:
    first, last = _seconds(start), _seconds(end)
    while first < last:
        offsets = _offsets(zones, first)
        stop = _next_change(zones, first, last)
        yield (first, stop, *offsets)
        first = stop


def _next_change(zones: tuple[str, str], first: int, last: int) -> int:
    """The second of the next change after `first`, or `last`; steps of a day, then bisection."""
    held = _offsets(zones, first)
    step = first
    while step < last and _offsets(zones, min(step + _DAY_SECONDS, last)) == held:
        step += _DAY_SECONDS
    low, high = step, min(step + _DAY_SECONDS, last)
    if step >= last:
        return last
    while high - low > 1:
        middle = (low + high) // 2
        if _offsets(zones, middle) == held:
            low = middle
        else:
            high = middle
    return high


def _offsets(zones: tuple[str, str], second: int) -> tuple[int, int]:
    at = _EPOCH + timedelta(seconds=second)
    tenant, account = (at.astimezone(ZoneInfo(zone)).utcoffset() for zone in zones)
    if tenant is None or account is None:
        raise ValueError(f"a zone of {zones} has no offset at {at}")
    return int(tenant.total_seconds()), int(account.total_seconds())


def epoch_second(at: "ir.Value") -> "ir.Value":
    """The whole second since 1970 an instant lies in; never rounded up into the next one.

    Engines disagree about the fraction: DuckDB's epoch() keeps it, others drop it.
    """
    return at.truncate("s").epoch_seconds().cast("int64")


def _seconds(at: datetime) -> int:
    return int((at - _EPOCH).total_seconds())


def roll_up_lake(settings: Settings) -> "list[tuple[object, ...]]":
    """Run the expression over every day of the lake, by manifest, on DuckDB; rows in key order."""
    import ibis

    lake = files.lake_folder(settings.lake_url)
    paths = [str(path) for path in files.paths_of(lake, files.list_manifests(lake))]
    if not paths:
        return []
    engine = ibis.duckdb.connect(threads=2)
    try:
        events = engine.read_parquet(paths, table_name="message_events")
        bounds = events.aggregate(
            first=epoch_second(events.occurred_at).min(),
            last=epoch_second(events.occurred_at).max(),
        ).to_pyarrow()
        first, last = bounds.column("first")[0].as_py(), bounds.column("last")[0].as_py()
        if first is None:
            return []
        spans = clock_spans(
            _accounts(settings),
            start=_EPOCH + timedelta(seconds=first),
            end=_EPOCH + timedelta(seconds=last + 1),
        )
        clocks = ibis.memtable(_clock_table(spans))
        result = engine.to_pyarrow(usage_rollup(events, clocks)).to_pylist()
    finally:
        engine.disconnect()
    return sorted((_decode(row) for row in result), key=repr)


def _accounts(settings: Settings) -> list[tuple[UUID, str, str, str]]:
    queries = load("dimensions")
    with psycopg.connect(settings.dsn(DatabaseRole.DATA)) as connection:
        zones = {row[0]: str(row[1]) for row in connection.execute(queries.tenant_clocks)}
        return [
            (row[0], str(row[1]), zones[row[0]], str(row[2]))
            for row in connection.execute(queries.account_clocks)
        ]


def _clock_table(spans: list[dict[str, object]]) -> Any:
    import pyarrow as pa

    second = pa.int64()
    return pa.Table.from_pylist(
        spans,
        pa.schema(
            [
                ("clock_tenant_id", pa.binary()),
                ("clock_waba_id", pa.string()),
                ("from_second", second),
                ("to_second", second),
                ("tenant_offset", second),
                ("account_offset", second),
            ]
        ),
    )


def _decode(row: dict[str, Any]) -> tuple[object, ...]:
    """Days and words instead of numbers: the row as warehouse raw.lake_usage holds it."""
    category = {code: name for kind, code, name in codes.code_rows() if kind == "category"}
    pricing = {code: name for kind, code, name in codes.code_rows() if kind == "pricing_type"}
    campaign = row["campaign_id"]
    return (
        UUID(bytes=row["tenant_id"]),
        row["waba_id"],
        row["phone_number_id"],
        UUID(bytes=campaign) if campaign is not None else None,
        date(1970, 1, 1) + timedelta(days=row["tenant_day"]),
        date(1970, 1, 1) + timedelta(days=row["account_day"]),
        category[row["category_code"]],
        row["market"],
        row["country"],
        category.get(row["pricing_category_code"]),
        pricing.get(row["pricing_type_code"]),
        row["delivered_count"],
        row["read_count"],
    )


def store_lake_usage(settings: Settings, rows: list[tuple[object, ...]]) -> int:
    """Replace warehouse raw.lake_usage by these rows in one transaction; returns the messages."""
    with psycopg.connect(warehouse_dsn(settings)) as connection:
        connection.execute("delete from raw.lake_usage")
        with connection.cursor().copy("copy raw.lake_usage from stdin") as copy:
            for row in rows:
                copy.write_row(row)
    return sum(int(str(row[-2])) for row in rows)


def lake_files(settings: Settings) -> list[Path]:
    """The Parquet files an analyst may read now."""
    lake = files.lake_folder(settings.lake_url)
    return files.paths_of(lake, files.list_manifests(lake))
