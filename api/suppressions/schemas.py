"""What the suppressions slice takes and gives."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field

from api.bulk import MOST_ITEMS
from api.dto import Answer, Id, Instant, Line, Phone, Request


class SuppressionScope(StrEnum):
    """What a suppression keeps from a person."""

    EVERYTHING = "everything"
    MARKETING = "marketing"
    AUTHENTICATION = "authentication"
    NOTHING = "nothing"


class SuppressionReason(StrEnum):
    """Why somebody is to be left alone."""

    PERSON_ASKED = "person_asked"
    COMPLAINT = "complaint"
    LEGAL = "legal"
    WRONG_NUMBER = "wrong_number"
    OTHER = "other"


class LiftReason(StrEnum):
    """Why somebody may be written to again."""

    PERSON_ASKED = "person_asked"
    MISTAKE = "mistake"
    NUMBER_WORKS = "number_works"
    OTHER = "other"


class Suppression(Answer):
    """A person who is not sent to."""

    contact_id: UUID
    address: str
    scope: SuppressionScope
    reason: str = Field(
        description="One of yours, or the error atlas's name for an answer of Meta's.",
        examples=["undeliverable"],
    )
    error_code: int | None = Field(description="Meta's, where an answer of Meta's is the reason.")
    note: str | None
    added_by: str | None = Field(
        description="`user:<id>` or `api_key:<id>`; null for an answer of Meta's.",
        examples=["user:019a0000-0000-7000-8000-000000000001"],
    )
    suppressed_at: datetime
    until: datetime | None = Field(description="Of `everything`; null: until somebody lifts it.")
    marketing_until: datetime | None
    needs_phone: bool = Field(description="No authentication to the person's business-scoped id.")


class AddSuppression(Request):
    """A person to leave alone: by the id of the contact, or by the phone number."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"phone": "+55 11 98765-4321", "reason": "person_asked"}],
        }
    )

    contact_id: Id | None = None
    phone: Phone | None = Field(
        default=None, description="Becomes a contact when nobody is known by it."
    )
    reason: SuppressionReason = Field(strict=False)
    note: Line | None = None
    until: Instant | None = Field(default=None, description="Default: until somebody lifts it.")


class AddSuppressions(Request):
    """Up to 1,000 people to leave alone; each is taken or refused by itself."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"items": [{"phone": "+55 11 98765-4321", "reason": "person_asked"}]}],
        }
    )

    items: Annotated[list[AddSuppression], Field(min_length=1, max_length=MOST_ITEMS)]


class LiftSuppression(Request):
    """Why the person may be written to again."""

    reason: LiftReason = Field(strict=False)
