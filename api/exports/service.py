"""Asks for exports; hands out the files that the data path made."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from api.deps import Caller
from api.dto import Answer, Page
from api.exports.schemas import CreateExport, Export, ExportStatus, ExportSummary
from api.list_filters import Made
from api.pagination import Pager, time_and_id
from api.problems import Problem
from api.rows import fetch_all, fetch_known
from core.domain.ids import new_id
from core.errors import InvalidInput, NotFound, QuotaExceeded
from core.logs import get_logger
from core.store.database import Connection
from core.store.queries import load

_log = get_logger(__name__)
_sql = load("exports")
_MAX_OPEN: Final = 20
MEDIA_TYPES: Final = {
    "parquet": "application/vnd.apache.parquet",
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class _OpenExports(Answer):
    open_exports: int


class _FileRow(Answer):
    status: str
    format: str
    path: str | None
    bytes: int | None
    sha256: str | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFile:
    """A file that may be handed to this tenant."""

    path: Path
    media_type: str
    name: str
    sha256: str


async def create_export(
    connection: Connection, caller: Caller, wanted: CreateExport
) -> ExportSummary:
    """Queue one export. Raises QuotaExceeded while too many are open."""
    filters = wanted.filters
    if filters.start and filters.end and not filters.start < filters.end:
        raise InvalidInput("`from` must be before `to`", pointer="/filters/from")
    place = {"tenant_id": caller.tenant_id}
    waiting = await fetch_known(
        connection, _OpenExports, _sql.count_open_exports, place, what="tenant"
    )
    if waiting.open_exports >= _MAX_OPEN:
        raise QuotaExceeded(f"{_MAX_OPEN} exports are still being made", retry_after_seconds=60)
    export_id = new_id()
    caller.audit(target_kind="export", target_id=export_id, details={"dataset": wanted.dataset})
    return await fetch_known(
        connection,
        ExportSummary,
        _sql.insert_export,
        {
            **place,
            "export_id": export_id,
            "dataset": wanted.dataset,
            "format": wanted.format,
            "filters": filters.model_dump_json(by_alias=True, exclude_none=True),
            "requested_by": caller.subject,
        },
        what="export",
    )


async def list_exports(
    caller: Caller, pager: Pager, *, made: Made, state: ExportStatus | None
) -> Page[ExportSummary]:
    """The tenant's exports, newest first."""
    async with caller.transaction() as connection:
        rows = await fetch_all(
            connection,
            ExportSummary,
            _sql.list_exports,
            {
                "tenant_id": caller.tenant_id,
                **pager.after_time_and_id(),
                **made.parameters(),
                "state": state,
                "limit": pager.fetch,
            },
        )
    return pager.page(rows, lambda row: time_and_id(row.requested_at, row.export_id))


async def get_export(caller: Caller, export_id: UUID) -> Export:
    """One export with its manifest."""
    async with caller.transaction() as connection:
        return await fetch_known(
            connection,
            Export,
            _sql.get_export,
            {"tenant_id": caller.tenant_id, "export_id": export_id},
            what="export",
        )


async def get_file(caller: Caller, export_id: UUID) -> ExportFile:
    """The file of a ready export. Raises Problem while there is none, or no more."""
    async with caller.transaction() as connection:
        row = await fetch_known(
            connection,
            _FileRow,
            _sql.get_export_file,
            {"tenant_id": caller.tenant_id, "export_id": export_id},
            what="export",
        )
    expired = row.expires_at is not None and row.expires_at <= caller.state.clock.now()
    if row.status == "expired" or (row.status == "ready" and expired):
        raise Problem("gone", "the export has expired")
    if row.status != "ready" or row.path is None or row.sha256 is None:
        raise Problem("export-not-ready", f"the export is {row.status}")
    folder = caller.state.settings.exports_dir
    path = await asyncio.to_thread(_inside, folder, folder / str(caller.tenant_id), row.path)
    if path is None:
        _log.error("export file missing", export_id=str(export_id), reason="no_file_in_exports_dir")
        raise NotFound("the export's file is no longer there")
    return ExportFile(
        path=path,
        media_type=MEDIA_TYPES[row.format],
        name=f"export-{export_id}.{row.format}",
        sha256=row.sha256,
    )


def _inside(folder: Path, own: Path, stored: str) -> Path | None:
    """The stored path, if it is a file in the tenant's own folder once all links are followed."""
    path = (folder.resolve() / stored).resolve()
    return path if path.is_relative_to(own.resolve()) and path.is_file() else None
