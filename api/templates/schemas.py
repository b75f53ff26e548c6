"""What the templates slice gives."""

from datetime import datetime
from typing import Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from api.dto import Answer

TemplateCategory = Literal["marketing", "utility", "authentication"]

#: Meta's statuses (message_template_status_update, as of 2026-09-11), and two of ours.
TemplateState = Literal[
    "DRAFT",
    "PENDING",
    "APPROVED",
    "REJECTED",
    "PAUSED",
    "DISABLED",
    "FLAGGED",
    "IN_APPEAL",
    "LIMIT_EXCEEDED",
    "LOCKED",
    "ARCHIVED",
    "PENDING_DELETION",
    "DELETED",
]


class Template(Answer):
    """One template in one language."""

    template_id: UUID
    waba_id: str
    meta_template_id: str = Field(description="Empty while Meta doesn't have it.")
    name: str
    language: str
    category: str
    status: str = Field(
        description="Meta's word: PENDING, APPROVED, PAUSED, REJECTED ...; DRAFT (Meta doesn't "
        "have it yet) and DELETED are ours."
    )
    quality: str
    parameter_format: str
    version_hash: str = Field(description="Changes with every change of its components.")
    halted_reason: str | None = Field(description="Why nothing is sent with it now.")
    rejected_reason: str | None = Field(description="Meta's word on why it was rejected.")
    has_draft: bool = Field(description="Something was written that Meta doesn't have yet.")
    submitted_at: datetime | None = Field(description="Since when it is being handed in to Meta.")
    synced_at: datetime
    created_at: datetime


class TemplateDetail(Template):
    """A template with its parts and the parameters it needs."""

    moving: ClassVar[frozenset[str]] = frozenset({"synced_at"})

    components: list[dict[str, Any]] = Field(description="As Meta gave them.")
    message_send_ttl_seconds: int | None = Field(
        description="How long Meta tries to deliver; -1: 30 days; null: Meta's default."
    )
    parameters: list[str] = Field(
        description="Keys of the values it needs: `1`, `first_name`, `header.1`, `button.0` ..."
    )
    unsupported: list[str] = Field(description="Parts that can't be filled; it can't be sent.")
    draft: dict[str, Any] | None = Field(
        description="What was written and Meta doesn't have yet: category and components."
    )


class TemplatesSynced(Answer):
    """What a sync found."""

    accounts: int
    templates: int
    created: int
    changed: int
    deleted: int = Field(description="No longer at Meta; kept here, for messages refer to them.")
    skipped: int = Field(description="Of a category or a form that isn't known here.")
