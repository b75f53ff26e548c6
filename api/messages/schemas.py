"""What the messages slice takes and gives."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from api.bulk import MOST_ITEMS, ItemProblem
from api.dto import Answer, AttributeValue, Id, MetaId, Request, Text

State = Literal[
    "excluded",
    "queued",
    "sending",
    "in_doubt",
    "held",
    "accepted",
    "sent",
    "delivered",
    "read",
    "failed",
    "cancelled",
    "expired",
]
ParameterKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.]{1,80}$")]


class TemplateToSend(Request):
    """A template by id, or by name and language, with its values."""

    template_id: Id | None = None
    name: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,512}$")] | None = None
    language: Annotated[str, Field(pattern=r"^[a-zA-Z_]{2,16}$")] | None = None
    parameters: Annotated[dict[ParameterKey, AttributeValue], Field(max_length=64)] = Field(
        default_factory=dict
    )

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        named = (self.name is not None, self.language is not None)
        if named != ((False, False) if self.template_id is not None else (True, True)):
            raise PydanticCustomError(
                "template_reference", "give template_id, or name and language"
            )
        return self


class TextToSend(Request):
    """Free text; Meta takes it only within 24 hours of the person's last message."""

    body: Annotated[Text, Field(min_length=1, max_length=4096)]
    preview_url: bool = False


class SendMessage(Request):
    """One message to one person: a template or a text."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "phone_number_id": "201000000000001",
                    "to": "+55 11 98765-4321",
                    "template": {
                        "name": "order_shipped",
                        "language": "pt_BR",
                        "parameters": {"1": "Ana"},
                    },
                },
            ]
        }
    )

    phone_number_id: MetaId = Field(description="Which of your numbers sends it.")
    to: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = Field(
        default=None, description="A phone number; an unknown person is made."
    )
    contact_id: Id | None = Field(default=None, description="Instead of `to`.")
    template: TemplateToSend | None = None
    text: TextToSend | None = None
    expires_in_seconds: Annotated[int, Field(ge=30, le=2_592_000)] | None = Field(
        default=None, description="Not sent any more after that."
    )

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if (self.to is None) == (self.contact_id is None):
            raise PydanticCustomError("recipient", "give either `to` or `contact_id`")
        if (self.template is None) == (self.text is None):
            raise PydanticCustomError("content", "give either `template` or `text`")
        return self


class QueuedMessage(Answer):
    """A message that is on its way to the sender."""

    message_id: UUID
    contact_id: UUID
    state: Literal["queued"] = "queued"
    kind: str
    category: str
    market: str | None
    created_at: datetime


class SendMessages(Request):
    """Many messages, each to one person."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "phone_number_id": "201000000000001",
                            "to": "+55 11 98765-4321",
                            "template": {
                                "name": "order_shipped",
                                "language": "pt_BR",
                                "parameters": {"1": "Ana"},
                            },
                        }
                    ]
                }
            ]
        }
    )

    items: Annotated[list[SendMessage], Field(min_length=1, max_length=MOST_ITEMS)]


class SentItem(Answer):
    """What became of one message."""

    index: int = Field(description="Its place in the request, from 0.")
    status: Literal["done", "refused"]
    message: QueuedMessage | None = Field(description="Null when it was refused.")
    problem: ItemProblem | None


class SentMessages(Answer):
    """What became of every message, in the order of the request."""

    done: int
    refused: int
    items: list[SentItem]


class MessageSummary(Answer):
    """A message in a list."""

    message_id: UUID
    campaign_id: UUID | None
    contact_id: UUID
    phone_number_id: str
    kind: str
    template_id: UUID | None
    category: str
    country: str | None
    market: str | None
    state: State
    exclusion_reason: str | None
    reason: str | None
    error_code: int | None
    conflict: str | None = Field(description="A fact that contradicts the state.")
    attempt_no: int
    billable: bool | None
    created_at: datetime
    state_changed_at: datetime


class Message(MessageSummary):
    """One message with its content and its instants."""

    waba_id: str
    address: str
    content: dict[str, Any] = Field(description="Frozen when planned: this is what is sent.")
    pricing_model: str | None
    pricing_type: str | None
    pricing_category: str | None
    expires_at: datetime | None
    accepted_at: datetime | None
    sent_at: datetime | None
    delivered_at: datetime | None
    read_at: datetime | None
    failed_at: datetime | None


class TemplatePin(Answer):
    """The template of a message, and whether it has changed since."""

    name: str
    language: str
    category: str
    status: str
    present_version_hash: str
    pinned_version_hash: str | None


class ConsentUsed(Answer):
    """The ledger's word on this purpose when the message was made."""

    consent_id: UUID
    purpose: str
    action: str
    channel: str
    text_version: str | None
    occurred_at: datetime


class Attempt(Answer):
    """One attempt to send, and Meta's answer."""

    attempt_no: int
    outcome: str
    claimed_at: datetime
    requested_at: datetime | None
    answered_at: datetime | None
    http_status: int | None
    error_code: int | None
    error_subcode: int | None
    error_detail: str | None
    fbtrace_id: str | None


class ReportedStatus(Answer):
    """A status Meta reported by webhook; repetitions count once."""

    status: str
    occurred_at: datetime
    applied_at: datetime


class Event(Answer):
    """One business fact."""

    event_type: str
    occurred_at: datetime
    ingested_at: datetime
    attempt_no: int
    error_code: int | None
    reason: str | None
    billable: bool | None
    pricing_model: str | None
    pricing_type: str | None
    pricing_category: str | None


class ErrorWords(Answer):
    """What an error code of Meta's means and what to do."""

    code: int
    name: str
    scope: str
    action: str
    advice: str


class Moment(Answer):
    """One line of the timeline."""

    at: datetime
    what: str
    detail: str | None = None


class Explanation(Answer):
    """The whole story of one message."""

    message: Message
    template: TemplatePin | None
    consent: ConsentUsed | None
    attempts: list[Attempt]
    statuses: list[ReportedStatus]
    events: list[Event]
    errors: list[ErrorWords]
    timeline: list[Moment]
