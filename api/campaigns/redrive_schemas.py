"""What a re-drive takes and gives."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from api.dto import Answer, Instant, Request

RedriveState = Literal["queued", "running", "finished"]


class RedriveRequest(Request):
    """Which failures are tried again. Count them first: `dry_run` is on unless you turn it off."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"error_codes": [131026], "failed_after": "2026-11-23T08:00:00Z"},
                {"error_codes": [131026], "dry_run": False, "expected_messages": 120},
            ]
        }
    )

    states: Annotated[list[Literal["failed", "expired"]], Field(min_length=1, max_length=2)] = (
        Field(default=["failed"])
    )
    error_codes: (
        Annotated[
            list[Annotated[int, Field(ge=0, le=9_999_999)]], Field(min_length=1, max_length=50)
        ]
        | None
    ) = Field(default=None, description="Meta's codes; null: any, and none.")
    reasons: (
        Annotated[list[Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]], Field(min_length=1)]
        | None
    ) = Field(default=None, description="Our reasons, as the campaign's stats name them.")
    failed_after: Instant | None = None
    failed_before: Instant | None = None
    include_unconfirmed: bool = Field(
        default=False,
        description="Also what was in doubt and closed as not sent: some may get it twice.",
    )
    dry_run: bool = True
    expected_messages: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="What the dry run counted; needed to try again for real."
    )

    @model_validator(mode="after")
    def _is_counted(self) -> "RedriveRequest":
        if not self.dry_run and self.expected_messages is None:
            raise PydanticCustomError(
                "expected_messages", "give the dry run's count as expected_messages"
            )
        return self


class RedriveCount(Answer):
    """Failures that are alike."""

    state: str
    error_code: int | None
    error_name: str | None
    reason: str | None
    messages: int


class Redrive(Answer):
    """A re-drive that was asked for, with its progress."""

    redrive_id: UUID
    campaign_id: UUID
    states: list[str]
    error_codes: list[int] | None
    reasons: list[str] | None
    failed_after: datetime | None = Field(validation_alias="changed_after")
    failed_before: datetime | None = Field(validation_alias="changed_before")
    include_unconfirmed: bool
    matching: int
    redriven: int = Field(description="Back in the queue so far.")
    state: RedriveState
    requested_by: str
    requested_at: datetime
    finished_at: datetime | None

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class RedriveAnswer(Answer):
    """What a re-drive would touch, and the re-drive when it was no dry run."""

    campaign_id: UUID
    dry_run: bool
    matching: int
    by_error: list[RedriveCount]
    redrive: Redrive | None
