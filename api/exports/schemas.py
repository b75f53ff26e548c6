"""What the exports slice takes and gives."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from api.dto import Answer, Day, Id, Request

Dataset = Literal["messages", "events", "usage", "invoices"]
ExportStatus = Literal["queued", "running", "ready", "failed", "expired"]
FileFormat = Literal["parquet", "csv", "ndjson", "xlsx"]


class Filters(Request):
    """What the dataset is cut by."""

    start: Day | None = Field(default=None, alias="from", description="First day, in your zone.")
    end: Day | None = Field(default=None, alias="to", description="The day after the last.")
    campaign_id: Id | None = None


class CreateExport(Request):
    """A dataset of the tenant as a file."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "dataset": "messages",
                    "format": "parquet",
                    "filters": {"from": "2026-11-01"},
                },
            ]
        }
    )

    dataset: Dataset
    format: FileFormat
    filters: Filters = Field(default_factory=Filters)


class ExportSummary(Answer):
    """An export in a list."""

    export_id: UUID
    dataset: str
    format: str
    filters: dict[str, Any]
    status: ExportStatus
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
