"""What the exports slice takes and gives."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from api.dto import Answer, Request

Dataset = Literal["messages", "usage"]
FileFormat = Literal["parquet", "csv", "ndjson", "xlsx"]


class Filters(Request):
    """Which days; half-open, in the tenant's zone."""

    from_date: Annotated[date, Field(strict=False)] | None = None
    to_date: Annotated[date, Field(strict=False)] | None = None


class CreateExport(Request):
    """A dataset of the tenant as a file."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "dataset": "messages",
                    "format": "parquet",
                    "filters": {"from_date": "2026-11-01"},
                },
            ]
        }
    )

    dataset: Dataset
    format: FileFormat
    filters: Filters = Filters()


class ExportSummary(Answer):
    """An export in a list."""

    export_id: UUID
    dataset: str
    format: str
    filters: dict[str, Any]
    status: Literal["queued", "running", "ready", "failed", "expired"]
    rows: int | None
    bytes: int | None
    sha256: str | None
    failure: str | None
    requested_by: str
    requested_at: datetime
    finished_at: datetime | None
    expires_at: datetime | None


class Export(ExportSummary):
    """An export with its manifest: columns, counts, checksums, snapshot."""

    manifest: dict[str, Any] | None
