"""Loads what the lake holds and the warehouse doesn't: a whole day at a time, in one swap."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from core.dsn import DatabaseRole
from core.errors import InvariantBroken
from core.settings import Settings
from core.store.queries import load as load_queries
from core.store.warehouse import warehouse_dsn
from orchestration.lake import codes, files
from orchestration.lake.extract import UUID_COLUMNS
from orchestration.lake.files import DayManifest

DIMENSIONS = (
    "tenants",
    "whatsapp_accounts",
    "phone_numbers",
    "campaigns",
    "plan_versions",
    "plan_prices",
    "subscriptions",
    "meta_rates",
    "market_map",
    "meta_policies",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedDay:
    """One ingest day whose partition was swapped."""

    ingest_date: date
    rows: int
    sha256: str


def load_changed_days(settings: Settings, *, run_id: str) -> list[LoadedDay]:
    """Swap in every day whose content in the lake differs from what the warehouse holds."""
    lake = files.lake_folder(settings.lake_url)
    with psycopg.connect(warehouse_dsn(settings)) as connection:
        held = {
            row[0]: row[1]
            for row in connection.execute(
                load_queries("warehouse").find_loads, {"table_name": files.TABLE}
            )
        }
    changed = [
        manifest
        for manifest in files.list_manifests(lake)
        if held.get(manifest.ingest_date) != manifest.sha256
    ]
    return [load_day(settings, manifest, run_id=run_id) for manifest in changed]


def load_day(settings: Settings, manifest: DayManifest, *, run_id: str) -> LoadedDay:
    """Replace one day of warehouse raw.message_events by the lake's; readers see old or new.

    Raises InvariantBroken when the rows that arrived are not the rows of the manifest.
    """
    lake = files.lake_folder(settings.lake_url)
    partition = f"message_events_{manifest.ingest_date:%Y%m%d}"
    fresh = f"{partition}_new"
    dsn = warehouse_dsn(settings)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("drop table if exists raw.{}").format(sql.Identifier(fresh)))
        connection.execute(
            sql.SQL("create table raw.{} (like raw.message_events including defaults)").format(
                sql.Identifier(fresh)
            )
        )
    _ingest(dsn, fresh, files.paths_of(lake, [manifest]), manifest.ingest_date)
    with psycopg.connect(dsn) as connection:
        _swap(connection, partition, fresh, manifest)
        connection.execute(
            load_queries("warehouse").record_load,
            {
                "table_name": files.TABLE,
                "ingest_date": manifest.ingest_date,
                "sha256": manifest.sha256,
                "rows": manifest.rows,
                "run_id": run_id,
            },
        )
    return LoadedDay(ingest_date=manifest.ingest_date, rows=manifest.rows, sha256=manifest.sha256)


def _ingest(dsn: str, table: str, paths: Sequence[Path], day: date) -> None:
    """Stream Parquet into a table; ids become uuid on the way."""
    import adbc_driver_postgresql.dbapi as adbc
    import pyarrow.parquet as pq

    with adbc.connect(dsn) as target, target.cursor() as cursor:
        for path in paths:
            for batch in pq.ParquetFile(path).iter_batches(batch_size=131_072):
                cursor.adbc_ingest(
                    table, _to_warehouse(batch, day), mode="append", db_schema_name="raw"
                )
        target.commit()


def _to_warehouse(batch: Any, day: date) -> Any:
    import pyarrow as pa

    table = pa.Table.from_batches([batch])
    for name in UUID_COLUMNS:
        ids = table.column(name).combine_chunks()
        typed = pa.ExtensionArray.from_storage(pa.uuid(), ids)
        table = table.set_column(table.schema.get_field_index(name), name, typed)
    days = pa.repeat(pa.scalar(day, pa.date32()), table.num_rows)
    return table.append_column("ingest_date", days)


def _swap(
    connection: psycopg.Connection[Any], partition: str, fresh: str, manifest: DayManifest
) -> None:
    """Detach and drop the old day, attach the new one, all in the caller's transaction."""
    names = {"old": sql.Identifier(partition), "new": sql.Identifier(fresh)}
    day = sql.Literal(manifest.ingest_date)
    row = connection.execute(sql.SQL("select count(*) from raw.{new}").format(**names)).fetchone()
    arrived = int(row[0]) if row else 0
    if arrived != manifest.rows:
        raise InvariantBroken(
            f"{manifest.ingest_date}: the manifest names {manifest.rows} events, {arrived} arrived"
        )
    connection.execute(sql.SQL("drop table if exists raw.{old}").format(**names))
    connection.execute(sql.SQL("alter table raw.{new} rename to {old}").format(**names))
    connection.execute(
        sql.SQL(
            "alter table raw.message_events attach partition raw.{old} for values in ({day})"
        ).format(**names, day=day)
    )
    connection.execute(sql.SQL("analyze raw.{old}").format(**names))


def load_dimensions(settings: Settings) -> dict[str, int]:
    """Replace the warehouse's snapshots of the live tables, all in one transaction; row counts.

    One repeatable read of the source: plans, subscriptions and rates fit together.
    """
    queries = load_queries("dimensions")
    counts: dict[str, int] = {}
    with (
        psycopg.connect(settings.dsn(DatabaseRole.DATA)) as source,
        psycopg.connect(warehouse_dsn(settings)) as target,
    ):
        source.execute(load_queries("extractions").freeze_snapshot)
        for name in DIMENSIONS:
            rows = source.execute(queries[name]).fetchall()
            _replace(target, name, rows)
            counts[name] = len(rows)
        _replace(target, "event_codes", codes.code_rows())
    return counts


def _replace(
    target: psycopg.Connection[Any], table: str, rows: Sequence[tuple[object, ...]]
) -> None:
    name = sql.Identifier(table)
    target.execute(sql.SQL("delete from raw.{}").format(name))
    with target.cursor().copy(sql.SQL("copy raw.{} from stdin").format(name)) as copy:
        for row in rows:
            copy.write_row(row)
