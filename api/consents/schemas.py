"""What the consents slice takes and gives."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from api.dto import Answer, AttributeName, AttributeValue, Id, Instant, Line, Name, Request, Text

AnswerText = Annotated[
    Text,
    Field(
        min_length=1,
        max_length=1024,
        pattern=r"\S",
        json_schema_extra={"pattern": r"^[^\u0000]*[^\s\u0000][^\u0000]*$"},
    ),
]
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


class ConsentAudit(Answer):
    """The entry of the audit chain that was written together with a consent."""

    entry_id: UUID
    actor: str
    at: datetime
    sequence: int | None = Field(description="Its place in the chain; null until it is sealed.")
    entry_hash: str | None


class ProvenConsent(Consent):
    """An entry of the ledger, with what proves when and by whom it was recorded."""

    audit: ConsentAudit | None = Field(
        description="Null for what a person told by WhatsApp, and for imports."
    )
    hash: str = Field(description="SHA-256 over the hash before it and this entry.")


class ConsentProof(Answer):
    """A person's whole ledger as a document that can be checked without us."""

    format: Literal["carteiro.consent-proof/1"] = Field(examples=["carteiro.consent-proof/1"])
    tenant_id: UUID
    contact_id: UUID
    address: str
    made_at: datetime
    states: list[ConsentState]
    entries: list[ProvenConsent] = Field(description="Oldest first.")
    digest: str = Field(description="SHA-256 over the document without this member.")


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


class OptOutAnswer(Answer):
    """What is answered to somebody who withdraws by a word or a button."""

    enabled: bool
    texts: dict[str, str] = Field(description="By language; while it is off, what we propose.")


class PutOptOutAnswer(Request):
    """Whether to answer, and what. Meta charges it as a service message."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"enabled": True, "texts": {"pt": "Pronto, não mandamos mais ofertas."}}]
        }
    )

    enabled: bool
    texts: (
        Annotated[
            dict[Annotated[str, Field(pattern=r"^[a-z]{2}$")], AnswerText],
            Field(min_length=1, max_length=20),
        ]
        | None
    ) = Field(default=None, description="By language, two letters; null: ours, in pt and en.")
