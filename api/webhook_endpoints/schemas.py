"""What the slice of webhook endpoints takes and gives."""

from datetime import datetime
from typing import Annotated, ClassVar, Final, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    computed_field,
)
from pydantic_core import PydanticCustomError

from api.dto import Answer, Instant, Line, Request
from core.domain.ids import created_at
from core.domain.tenant_events import EVERYTHING, TenantEventType

MAX_REPLAY = 10_000
DeliveryState = Literal["pending", "delivered", "failed"]
EndpointState = Literal["enabled", "disabled"]
EventType = Annotated[TenantEventType, Field(strict=False)]


_NAMES: Final[list[JsonValue]] = [EVERYTHING, *(each.value for each in TenantEventType)]


def _known_types(values: list[str]) -> list[str]:
    if values == [EVERYTHING]:
        return values
    for value in values:
        if value not in set(TenantEventType):
            raise PydanticCustomError("event_type", "an event type isn't known; see the list")
    return sorted(set(values))


def _own_id(value: object) -> object:
    """`evt_<hex>`, as the webhook-id header has it, or the same as a UUID."""
    return value.removeprefix("evt_") if isinstance(value, str) else value


def _failed() -> list[Literal["failed", "delivered"]]:
    return ["failed"]


EventTypes = Annotated[
    list[Annotated[str, Field(max_length=64, json_schema_extra={"enum": _NAMES})]],
    Field(
        min_length=1, max_length=64, description='Exact types, or `["*"]` for all, later ones too.'
    ),
    AfterValidator(_known_types),
]
Url = Annotated[
    str,
    Field(max_length=2048, description="https://, a public host, port 443 or 8443 by default."),
]
EventId = Annotated[UUID, BeforeValidator(_own_id), Field(strict=False)]


class CreateEndpoint(Request):
    """An address that is told what happens."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "url": "https://hooks.shop.example.com/carteiro",
                    "event_types": ["message.delivered", "message.failed", "campaign.finished"],
                    "description": "order system",
                }
            ]
        }
    )

    url: Url
    event_types: EventTypes = Field(default_factory=lambda: [EVERYTHING])
    description: Line | None = None


class ChangeEndpoint(Request):
    """What is given is changed; `enabled: true` also lifts a switch-off of ours."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"enabled": True}, {"event_types": ["*"]}]}
    )

    url: Url | None = None
    event_types: EventTypes | None = None
    description: Line | None = None
    enabled: bool | None = None


class RotateSecret(Request):
    """How long the present secret goes on signing beside the new one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"overlap_hours": 24}]})

    overlap_hours: Annotated[int, Field(ge=0, le=168)] = 24


class SendTest(Request):
    """A test event takes nothing."""


class Replay(Request):
    """Which finished deliveries to send again: by the time of their events."""

    model_config = ConfigDict(
        populate_by_name=True,
        json_schema_extra={
            "examples": [{"from": "2026-11-20T00:00:00Z", "until": "2026-11-21T00:00:00Z"}]
        },
    )

    since: Instant = Field(alias="from", description="At most 14 days ago.")
    until: Instant | None = Field(default=None, description="Exclusive; null: now.")
    event_types: EventTypes | None = Field(default=None, description="null: all types.")
    states: Annotated[list[Literal["failed", "delivered"]], Field(min_length=1, max_length=2)] = (
        Field(default_factory=_failed)
    )
    after: EventId | None = Field(
        default=None, description="`continue_after` of the answer before, to go on."
    )
    limit: Annotated[int, Field(ge=1, le=MAX_REPLAY)] = MAX_REPLAY


class Endpoint(Answer):
    """An endpoint and how it does."""

    moving: ClassVar[frozenset[str]] = frozenset(
        {
            "failing_since",
            "failures_in_row",
            "last_success_at",
            "rests_until",
            "previous_secret_until",
        }
    )

    endpoint_id: UUID
    url: str
    description: str | None
    event_types: list[str]
    enabled: bool
    disabled_reason: str | None = Field(
        description="`by_owner`, `gone` (it answered 410) or `failing` (only failures for days)."
    )
    disabled_at: datetime | None
    failing_since: datetime | None = Field(description="First failure since the last success.")
    failures_in_row: int
    last_success_at: datetime | None = Field(description="To ten seconds.")
    rests_until: datetime | None = Field(description="It asked for a rest (Retry-After).")
    previous_secret_until: datetime | None = Field(
        description="Until when an older secret signs too; null when only the newest does."
    )
    created_by: str
    created_at: datetime
    updated_at: datetime


class NewEndpoint(Answer):
    """An endpoint just made, or with a new secret; `secret` is shown this once."""

    endpoint: Endpoint
    secret: str = Field(description="`whsec_` and base64: for any Standard Webhooks library.")


class DeliverySummary(Answer):
    """One event to one endpoint."""

    event_id: UUID
    event_type: str
    state: DeliveryState
    attempts: int
    failure: str | None = Field(description="How the last attempt failed, or why there is none.")
    http_status: int | None
    finished_at: datetime | None
    occurred_at: datetime = Field(description="When it happened: of a status, as Meta says.")
    next_attempt_at: datetime | None

    @computed_field(description="When it was written down to be told.")  # type: ignore[prop-decorator]
    @property
    def created_at(self) -> datetime:
        return created_at(self.event_id)


class DeliveryAttempt(Answer):
    """One try."""

    attempt_no: int
    started_at: datetime
    duration_ms: int
    http_status: int | None
    failure: str | None
    answer: str | None = Field(description="The first KiB of the endpoint's answer.")


class Delivery(DeliverySummary):
    """One event to one endpoint, with its body and every try (the last 100)."""

    webhook_id: str = Field(description="The `webhook-id` header, the same in every attempt.")
    body: dict[str, object]
    tries: list[DeliveryAttempt]


class TestSent(Answer):
    """The test event that was queued; read its delivery to see what came of it."""

    event_id: UUID
    webhook_id: str


class Replayed(Answer):
    """How many are sent again; with `continue_after` there may be more."""

    replayed: int
    continue_after: UUID | None
