"""What the exports slice takes and gives."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from api.dto import Answer, Id, Request


def _day_text(value: object) -> object:
    """Refuse numbers where a day is meant: 20000 would be a day of 2024."""
    if not isinstance(value, str | date) or (isinstance(value, str) and "-" not in value):
        raise PydanticCustomError("date_text", "must be a day as in 2026-11-01")
    return value


Dataset = Literal["messages", "events", "usage", "invoices"]
ExportStatus = Literal["queued", "running", "ready", "failed", "expired"]
FileFormat = Literal["parquet", "csv", "ndjson", "xlsx"]
Day = Annotated[date, BeforeValidator(_day_text), Field(strict=False)]


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
