"""Writes one tenant's dataset to a file with a manifest, by one streamed query in one snapshot."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from psycopg import sql

from core.dsn import DatabaseRole
from core.errors import InvalidInput
from core.settings import Settings
from core.store.queries import load
from core.store.warehouse import warehouse_dsn
from exports import storage
from exports.datasets import Dataset, Filters, Source, dataset_named
from exports.formats import WRITERS
from exports.manifest import Manifest, write_manifest

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """What to write: a dataset of one tenant in one format."""

    tenant_id: UUID
    export_id: UUID
    dataset: str
    format: str
    filters: Filters


def write_export(settings: Settings, request: ExportRequest) -> Manifest:
    """Write the file and its manifest, or nothing; the same rows give the same file.

    Raises InvalidInput for a dataset or a format there is not, or too many rows for a sheet.
    """
    dataset = dataset_named(request.dataset)
    if request.format not in WRITERS:
        raise InvalidInput(f"there is no format {request.format}: choose {', '.join(WRITERS)}")
    with (
        storage.assembling(settings.exports_dir, request.tenant_id, request.export_id) as folder,
        _opened(settings, dataset) as cursor,
    ):
        snapshot = _read_snapshot(cursor, dataset)
        parameters = {"tenant_id": request.tenant_id, **request.filters.parameters()}
        cursor.execute(_render(load("export_datasets")[dataset.name], parameters))
        reader = cursor.fetch_record_batch()
        schema = _file_schema(reader.schema, dataset)
        path = folder / f"{dataset.name}.{request.format}"
        rows = WRITERS[request.format](schema, _batches(reader, schema), path)
        manifest = _describe(request, dataset, schema, path, rows, snapshot)
        write_manifest(folder, manifest)
    return manifest


def export_folder(settings: Settings, tenant_id: UUID, export_id: UUID) -> Path:
    """The folder of a finished export."""
    return settings.exports_dir / str(tenant_id) / str(export_id)


@contextmanager
def _opened(settings: Settings, dataset: Dataset) -> Iterator[Any]:
    """A cursor on one repeatable snapshot of the dataset's database."""
    import adbc_driver_postgresql.dbapi as adbc

    is_live = dataset.source is Source.LIVE
    dsn = settings.dsn(DatabaseRole.DATA) if is_live else warehouse_dsn(settings)
    with adbc.connect(dsn) as connection, connection.cursor() as cursor:
        cursor.execute(load("extractions").freeze_snapshot)
        yield cursor
        connection.rollback()


def _read_snapshot(cursor: Any, dataset: Dataset) -> dict[str, str]:
    if dataset.source is Source.LIVE:
        return {"database": "live"}
    cursor.execute(load("export_datasets").last_publication)
    row = cursor.fetchone()
    if row is None:
        raise InvalidInput("nothing has been published yet: run the daily job first")
    return {"run_id": row[0], "published_at": row[1].astimezone(UTC).isoformat()}


def _render(query: str, parameters: dict[str, object]) -> str:
    """COPY, which ADBC reads by, takes no parameters: they are quoted as literals."""
    return query % {name: sql.Literal(v).as_string(None) for name, v in parameters.items()}


def _file_schema(source: "pa.Schema", dataset: Dataset) -> "pa.Schema":
    """The file's types: what the query gives, exact numbers as decimals of 12 places."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field(
                field.name, pa.decimal128(38, 12) if field.name in dataset.decimals else field.type
            )
            for field in source
        ]
    )


def _batches(reader: Any, schema: "pa.Schema") -> "Iterator[pa.Table]":
    import pyarrow as pa

    for batch in reader:
        columns = [
            column.cast(kind) for column, kind in zip(batch.columns, schema.types, strict=True)
        ]
        yield pa.Table.from_arrays(columns, schema=schema)


def _describe(
    request: ExportRequest,
    dataset: Dataset,
    schema: "pa.Schema",
    path: Path,
    rows: int,
    snapshot: dict[str, str],
) -> Manifest:
    return Manifest(
        tenant_id=str(request.tenant_id),
        export_id=str(request.export_id),
        dataset=dataset.name,
        schema_version=dataset.version,
        format=request.format,
        file=path.name,
        rows=rows,
        bytes=path.stat().st_size,
        sha256=storage.sha256_of(path),
        columns=tuple((field.name, str(field.type)) for field in schema),
        filters=request.filters.described(),
        snapshot=snapshot,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
