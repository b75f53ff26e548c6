"""What the jobs slice gives."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import Field

from api.dto import Answer


class JobKind(StrEnum):
    """What a job makes."""

    IMPORT = "import"
    EXPORT = "export"
    PLAN = "plan"
    REDRIVE = "redrive"


class JobStatus(StrEnum):
    """Where a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobProgress(Answer):
    """How far it is, in its own unit: rows of a file, people, messages."""

    done: int
    total: int | None = Field(description="Null while nobody knows.")


class Job(Answer):
    """One piece of work that goes on after its request."""

    job_id: UUID = Field(description="The id of what it makes: of a plan, its campaign's.")
    kind: JobKind
    status: JobStatus
    created_at: datetime = Field(description="Of a plan: when its campaign was made.")
    finished_at: datetime | None
    progress: JobProgress
    failure: str | None = Field(description="Why it failed, in words.")
    result: str = Field(
        description="Where what it makes is found.",
        examples=["/v1/exports/019a0000-0000-7000-8000-000000000001"],
    )
