"""What the templates slice gives."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from api.dto import Answer

TemplateCategory = Literal["marketing", "utility", "authentication"]


class Template(Answer):
    """One template in one language."""

    template_id: UUID
    waba_id: str
    meta_template_id: str
    name: str
    language: str
    category: str
    status: str = Field(description="Meta's word: APPROVED, PAUSED, REJECTED ...; DELETED is ours.")
    quality: str
    parameter_format: str
    version_hash: str = Field(description="Changes with every change of its components.")
    halted_reason: str | None = Field(description="Why nothing is sent with it now.")
    synced_at: datetime


class TemplateDetail(Template):
    """A template with its parts and the parameters it needs."""

    components: list[dict[str, Any]] = Field(description="As Meta gave them.")
    parameters: list[str] = Field(
        description="Keys of the values it needs: `1`, `first_name`, `header.1`, `button.0` ..."
    )
    unsupported: list[str] = Field(description="Parts that can't be filled; it can't be sent.")


class TemplatesSynced(Answer):
    """What a sync found."""

    accounts: int
    templates: int
    created: int
    changed: int
    deleted: int = Field(description="No longer at Meta; kept here, for messages refer to them.")
    skipped: int = Field(description="Of a category or a form that isn't known here.")
