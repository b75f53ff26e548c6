"""Writes every queued export and each tenant's standing one; one that fails stops no other."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any
from uuid import UUID, uuid5

import psycopg
from psycopg.types.json import Jsonb

from core.dsn import DatabaseRole
from core.errors import CarteiroError, InvalidInput
from core.settings import Settings
from core.store.queries import load
from exports.datasets import Filters
from exports.manifest import Manifest
from exports.write import ExportRequest, export_folder, write_export

_NAMESPACE = UUID("c8c9a1de-3a44-5a0b-9a11-0d1f6f0d7c55")
#: What every tenant gets without asking: the month's messages, to keep or to load elsewhere.
STANDARD = (("messages", "parquet"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportResult:
    """One export: a manifest when it is ready, a failure safe to show when it is not."""

    tenant_id: UUID
    export_id: UUID
    dataset: str
    manifest: Manifest | None
    failure: str | None


def run_exports(settings: Settings, *, day: date) -> list[ExportResult]:
    """Queue the standing exports of the day's month, then write everything that is queued."""
    queries = load("export_datasets")
    with psycopg.connect(settings.dsn(DatabaseRole.DATA), autocommit=True) as connection:
        _queue_standard(connection, day)
        queued = connection.execute(queries.list_queued).fetchall()
        return [_run_one(settings, connection, row) for row in queued]


def _queue_standard(connection: psycopg.Connection[Any], day: date) -> None:
    month = day.replace(day=1)
    following = (month.replace(day=28) + (date(2026, 1, 5) - date(2026, 1, 1))).replace(day=1)
    tenants = connection.execute(load("dimensions").tenants).fetchall()
    for tenant in tenants:
        for dataset, file_format in STANDARD:
            connection.execute(
                load("export_datasets").upsert_standard,
                {
                    "tenant_id": tenant[0],
                    "export_id": uuid5(_NAMESPACE, f"{tenant[0]}/{dataset}/{file_format}/{month}"),
                    "dataset": dataset,
                    "format": file_format,
                    "filters": Jsonb({"from": str(month), "to": str(following)}),
                },
            )


def _run_one(
    settings: Settings, connection: psycopg.Connection[Any], row: Sequence[Any]
) -> ExportResult:
    queries = load("export_datasets")
    tenant_id, export_id, dataset, file_format, filters = row
    key = {"tenant_id": tenant_id, "export_id": export_id}
    connection.execute(queries.mark_running, key)
    try:
        request = ExportRequest(
            tenant_id=tenant_id,
            export_id=export_id,
            dataset=dataset,
            format=file_format,
            filters=Filters.parse(filters),
        )
        manifest = write_export(settings, request)
    except InvalidInput as error:
        # The request cannot be met, now or later: the tenant reads why.
        connection.execute(queries.mark_failed, {**key, "failure": error.detail})
        return _result(row, failure=error.detail)
    except (CarteiroError, OSError, psycopg.Error) as error:
        # Ours to mend: the row says so without our details, the run goes red.
        connection.execute(queries.mark_failed, {**key, "failure": "internal error; we look at it"})
        return _result(row, failure=f"{type(error).__name__}: {error}")
    path = export_folder(settings, tenant_id, export_id) / manifest.file
    connection.execute(
        queries.mark_ready,
        {
            **key,
            "path": str(path.relative_to(settings.exports_dir)),
            "rows": manifest.rows,
            "bytes": manifest.bytes,
            "sha256": manifest.sha256,
            "manifest": Jsonb(asdict(manifest)),
        },
    )
    return _result(row, manifest=manifest)


def _result(
    row: Sequence[Any], *, manifest: Manifest | None = None, failure: str | None = None
) -> ExportResult:
    return ExportResult(
        tenant_id=row[0], export_id=row[1], dataset=row[2], manifest=manifest, failure=failure
    )
