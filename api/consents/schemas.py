"""What the consents slice takes and gives."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from api.dto import Answer, AttributeName, AttributeValue, Id, Instant, Line, Name, Request

Purpose = Literal["marketing", "utility", "authentication", "service"]


class RecordConsent(Request):
    """A person's word: an agreement or a withdrawal, and what it rests on."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "contact_id": "019a0000-0000-7000-8000-000000000000",
                    "purpose": "marketing",
                    "action": "granted",
                    "channel": "checkout form",
                    "text_version": "2026-09",
                    "evidence": {"order": "1042"},
                },
            ]
        }
    )

    contact_id: Id
    purpose: Purpose
    action: Literal["granted", "revoked"]
    channel: Name = Field(description="Where it was said: form, store, phone ...")
    text_version: Name | None = Field(
        default=None, description="Which text was agreed to; compulsory for `granted`."
    )
    evidence: Annotated[dict[AttributeName, AttributeValue], Field(max_length=16)] = Field(
        default_factory=dict
    )
    occurred_at: Instant | None = Field(default=None, description="Default: now.")


class Consent(Answer):
    """One entry of the ledger; entries are never changed."""

    consent_id: UUID
    purpose: Purpose
    action: Literal["granted", "revoked"]
    channel: str
    text_version: str | None
    evidence: dict[str, str]
    occurred_at: datetime
    recorded_at: datetime


class ConsentState(Answer):
    """What holds now for one purpose, and the entry that says so."""

    purpose: str
    granted: bool
    consent_id: UUID
    occurred_at: datetime


class RecordedConsent(Answer):
    """The new entry, and what holds for the person now."""

    consent_id: UUID
    states: list[ConsentState]


class ContactConsents(Answer):
    """One page of a person's ledger and what holds now."""

    states: list[ConsentState]
    items: list[Consent]
    next_cursor: str | None = None


class ConsentKeyword(Answer):
    """A word or a button payload that withdraws or agrees."""

    source: Literal["word", "button"]
    value: str
    action: Literal["opt_out", "opt_in"]


class ConsentKeywords(Answer):
    """Your additions; our own words in Portuguese, English, Spanish and Hindi always count."""

    items: list[ConsentKeyword]


class PutConsentKeyword(Request):
    """A word counts when it is the whole message; a button by its exact payload."""

    source: Literal["word", "button"]
    value: Line
    action: Literal["opt_out", "opt_in"]


class PutConsentKeywords(Request):
    """The whole set: what is not in it any more stops counting."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {"source": "word", "value": "chega", "action": "opt_out"},
                        {"source": "button", "value": "optout:news", "action": "opt_out"},
                    ]
                }
            ]
        }
    )

    items: Annotated[list[PutConsentKeyword], Field(max_length=200)]
