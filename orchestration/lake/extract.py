"""Reads one ingest day from the live database into the lake, losing nothing that commits late.

A moving id or time loses rows of transactions that commit after the reader passed. So the unit is a
whole day, read below the snapshot's horizon (`xid < pg_snapshot_xmin`), replaced as a whole by each
later read, and `closed` only when every transaction that could have written into it is over.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from core.dsn import DatabaseRole
from core.errors import InvariantBroken
from core.settings import Settings
from core.store.queries import load
from orchestration.lake import codes, files
from orchestration.lake.files import DayManifest

if TYPE_CHECKING:
    import pyarrow as pa

ROW_GROUP = 131_072
#: A row's xid is assigned microseconds after its ingested_at; see docs/data-path.md, "closed".
GRACE = timedelta(seconds=60)
CHECKED_DAYS_BACK = 3
UUID_COLUMNS = ("tenant_id", "message_id", "campaign_id", "contact_pseudonym")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Below `horizon` all transactions are over; xids as numbers.

    `ceiling` is an id that was taken at `read_at`, before the snapshot: whoever had an id by then
    has a smaller one. (pg_snapshot_xmax will not do: it ignores ids taken and still running.)
    """

    horizon: int
    ceiling: int
    read_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCount:
    """Events of a day that are below the horizon at the source, and what the lake holds."""

    ingest_date: date
    source_rows: int
    lake_rows: int | None

    @property
    def agrees(self) -> bool:
        """Whether the lake holds exactly what the source shows (nothing is nothing)."""
        return self.source_rows == (self.lake_rows or 0)


def day_bounds(day: date) -> tuple[datetime, datetime]:
    """The half-open UTC bounds of an ingest day."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return start, start + timedelta(days=1)


def extract_day(settings: Settings, *, day: date, run_id: str) -> DayManifest:
    """Replace one ingest day of the lake by what the source shows now; writes the ledger last.

    The same rows give the same bytes. A day without rows has an empty manifest.
    """
    import adbc_driver_postgresql.dbapi as adbc

    lake = files.lake_folder(settings.lake_url)
    queries = load("extractions")
    ceiling, read_at = _take_transaction_id(settings)
    with (
        files.staging(lake, run_id) as staging,
        adbc.connect(settings.dsn(DatabaseRole.DATA)) as source,
        source.cursor() as cursor,
    ):
        cursor.execute(queries.freeze_snapshot)
        cursor.execute(queries.read_horizon)
        snapshot = Snapshot(horizon=int(cursor.fetchone()[0]), ceiling=ceiling, read_at=read_at)
        bounds = _bounds(day, snapshot)
        cursor.execute(render(queries.count_day, **bounds))
        expected, min_id, max_id = cursor.fetchone()
        staged = staging / f"{day.isoformat()}.parquet"
        cursor.execute(render(queries.select_day, **bounds))
        rows = write_parquet(cursor.fetch_record_batch(), staged)
        if rows != expected:
            raise InvariantBroken(f"{day}: counted {expected} events and read {rows} of them")
        source.rollback()
        return _publish(settings, lake, staged, day, run_id, snapshot, (rows, min_id, max_id))


def _publish(
    settings: Settings,
    lake: Path,
    staged: Path,
    day: date,
    run_id: str,
    snapshot: Snapshot,
    content: tuple[int, int | None, int | None],
) -> DayManifest:
    """Put the file in place, then the manifest, then the ledger row."""
    rows, min_id, max_id = content
    placed = (files.place(staged, files.day_folder(lake, day), rows=rows),) if rows else ()
    with psycopg.connect(settings.dsn(DatabaseRole.DATA)) as connection:
        closes_at, closed = _closing(connection, day, snapshot)
        manifest = DayManifest(
            table=files.TABLE,
            ingest_date=day,
            schema_version=files.LAYOUT_VERSION,
            run_id=run_id,
            rows=rows,
            min_event_id=min_id,
            max_event_id=max_id,
            horizon=str(snapshot.horizon),
            closed=closed,
            sha256=placed[0].sha256 if placed else "",
            files=placed,
        )
        files.write_manifest(lake, manifest)
        _record(connection, manifest, closes_at)
    return manifest


def _closing(
    connection: psycopg.Connection[Any], day: date, snapshot: Snapshot
) -> tuple[int | None, bool]:
    """The transaction id at which the day closes, and whether this snapshot has passed it.

    Whoever inserts a row into the day has its transaction id before the day ends (plus GRACE). The
    first read after that takes an id and remembers it; once the horizon has reached it, every such
    transaction is over.
    """
    _, end = day_bounds(day)
    if snapshot.read_at < end + GRACE:
        return None, False
    row = connection.execute(
        load("extractions").find_extraction, {"table_name": files.TABLE, "ingest_date": day}
    ).fetchone()
    known = int(row[6]) if row is not None and row[6] is not None else None
    closes_at = known if known is not None else snapshot.ceiling
    return closes_at, snapshot.horizon >= closes_at


def _record(
    connection: psycopg.Connection[Any], manifest: DayManifest, closes_at: int | None
) -> None:
    connection.execute(
        load("extractions").record_extraction,
        {
            "table_name": manifest.table,
            "ingest_date": manifest.ingest_date,
            "run_id": manifest.run_id,
            "rows": manifest.rows,
            "min_event_id": manifest.min_event_id,
            "max_event_id": manifest.max_event_id,
            "bytes": manifest.bytes,
            "sha256": manifest.sha256,
            "files": Jsonb([asdict(file) for file in manifest.files]),
            "horizon": manifest.horizon,
            "closes_at": None if closes_at is None else str(closes_at),
            "closed": manifest.closed,
        },
    )


def compare_with_source(settings: Settings, *, day: date) -> list[SourceCount]:
    """Count `day` and the days before it again at the source, beside what the ledger says.

    A day that grew (a transaction committed after it was read) shows here and is read again.
    """
    queries = load("extractions")
    counts = []
    with psycopg.connect(settings.dsn(DatabaseRole.DATA)) as connection:
        connection.execute(queries.freeze_snapshot)
        horizon = str(connection.execute(queries.read_horizon).fetchone()[0])  # type: ignore[index]
        for back in range(CHECKED_DAYS_BACK, -1, -1):
            checked = day - timedelta(days=back)
            start, end = day_bounds(checked)
            params = {"day_start": start, "day_end": end, "horizon": horizon}
            found = connection.execute(queries.count_day, params).fetchone()
            ledger = connection.execute(
                queries.find_extraction, {"table_name": files.TABLE, "ingest_date": checked}
            ).fetchone()
            counts.append(
                SourceCount(
                    ingest_date=checked,
                    source_rows=int(found[0]) if found else 0,
                    lake_rows=int(ledger[0]) if ledger else None,
                )
            )
    return counts


def extract_with_stragglers(settings: Settings, *, day: date, run_id: str) -> list[DayManifest]:
    """Extract a day, and again each of the three days before it whose source count has grown."""
    manifests = [extract_day(settings, day=day, run_id=run_id)]
    grown = [
        count.ingest_date
        for count in compare_with_source(settings, day=day)
        if count.ingest_date != day and not count.agrees
    ]
    return manifests + [extract_day(settings, day=late, run_id=run_id) for late in grown]


def _take_transaction_id(settings: Settings) -> tuple[int, datetime]:
    with psycopg.connect(settings.dsn(DatabaseRole.DATA)) as connection:
        row = connection.execute(load("extractions").take_transaction_id).fetchone()
    if row is None:
        raise InvariantBroken("the database gave no transaction id")
    return int(str(row[0])), cast(datetime, row[1])


def _bounds(day: date, snapshot: Snapshot) -> dict[str, object]:
    start, end = day_bounds(day)
    return {"day_start": start, "day_end": end, "horizon": str(snapshot.horizon)}


def render(query: str, **values: object) -> str:
    """A named query with its values as literals: COPY, which ADBC reads by, takes no parameters."""
    return query % {name: sql.Literal(value).as_string(None) for name, value in values.items()}


def write_parquet(batches: "pa.RecordBatchReader", path: Path) -> int:
    """Write a day's batches as one zstd Parquet file with equal row groups; returns the rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = 0
    with pq.ParquetWriter(
        path, lake_schema(), compression="zstd", use_dictionary=True, write_statistics=True
    ) as writer:
        for group in _row_groups(batches):
            writer.write_table(group, row_group_size=ROW_GROUP)
            rows += group.num_rows
        if rows == 0:
            writer.write_table(pa.Table.from_pylist([], lake_schema()))
    return rows


def _row_groups(batches: "pa.RecordBatchReader") -> Iterator["pa.Table"]:
    """Row groups of exactly ROW_GROUP rows, however the driver cuts its batches."""
    import pyarrow as pa

    waiting: list[Any] = []
    count = 0
    for batch in batches:
        waiting.append(_to_lake(batch))
        count += batch.num_rows
        while count >= ROW_GROUP:
            table = pa.concat_tables(waiting)
            yield table.slice(0, ROW_GROUP).combine_chunks()
            waiting = [table.slice(ROW_GROUP)]
            count -= ROW_GROUP
    if count:
        yield pa.concat_tables(waiting).combine_chunks()


def _to_lake(batch: "pa.RecordBatch") -> "pa.Table":
    """The source's columns in the lake's types: 16-byte ids, integer codes."""
    import pyarrow as pa

    schema = lake_schema()
    columns = []
    for field in schema:
        coded = codes.CODED_COLUMNS.get(field.name)
        source = batch.column(coded.source if coded else field.name)
        if coded:
            column = codes.encode(source, coded.kind)
        elif field.name in UUID_COLUMNS:
            column = source.storage if hasattr(source, "storage") else source
        else:
            column = source
        columns.append(column.cast(field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def lake_schema() -> "pa.Schema":
    """The columns of lake table message_events, version 1. No name, number, text or wamid."""
    import pyarrow as pa

    key = pa.binary(16)
    moment = pa.timestamp("us", tz="UTC")
    return pa.schema(
        [
            pa.field("event_id", pa.int64(), nullable=False),
            pa.field("schema_version", pa.int16(), nullable=False),
            pa.field("ingested_at", moment, nullable=False),
            pa.field("occurred_at", moment, nullable=False),
            pa.field("tenant_id", key, nullable=False),
            pa.field("message_id", key, nullable=False),
            pa.field("campaign_id", key),
            pa.field("contact_pseudonym", key, nullable=False),
            pa.field("waba_id", pa.string(), nullable=False),
            pa.field("phone_number_id", pa.string(), nullable=False),
            pa.field("event_type_code", pa.int16(), nullable=False),
            pa.field("category_code", pa.int16(), nullable=False),
            pa.field("country", pa.string()),
            pa.field("market", pa.string()),
            pa.field("billable", pa.bool_()),
            pa.field("pricing_model", pa.string()),
            pa.field("pricing_type_code", pa.int16()),
            pa.field("pricing_category_code", pa.int16()),
            pa.field("error_code", pa.int32()),
            pa.field("reason", pa.string()),
            pa.field("attempt_no", pa.int16(), nullable=False),
        ]
    )
