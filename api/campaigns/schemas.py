"""What the campaigns slice takes and gives."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from api.campaigns.sources import FromAttribute, FromValue, ParameterKey
from api.campaigns.trials import CanaryRules, Experiment
from api.dto import Answer, Id, Instant, MetaId, Name, Request

StoredStatus = Literal[
    "draft", "planning", "planned", "plan_failed", "approved", "running", "paused", "cancelled"
]
ShownState = Literal[
    "draft",
    "planning",
    "planned",
    "plan_failed",
    "approved",
    "scheduled",
    "running",
    "paused",
    "cancelled",
    "finished",
    "finished_with_failures",
]


def _wall_clock(value: object) -> object:
    """A time without an offset: it is the tenant's zone that makes an instant of it."""
    text = value.isoformat() if isinstance(value, datetime) else value
    if not isinstance(text, str) or "T" not in text:
        raise PydanticCustomError("wall_clock_text", "must be a wall clock: 2026-12-01T09:00")
    return value


def _without_offset(value: datetime) -> datetime:
    if value.tzinfo is not None:
        raise PydanticCustomError("offset", "must have no offset; scheduled_at takes an instant")
    return value


WallClockTime = Annotated[
    datetime, BeforeValidator(_wall_clock), AfterValidator(_without_offset), Field(strict=False)
]
LatenessMinutes = Annotated[
    int,
    Field(
        ge=1,
        le=10_080,
        description="Later than this after its time it is not started but paused: schedule_missed.",
    ),
]


class CreateCampaign(Request):
    """One template to the people of one list or segment."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Offer of the week",
                    "phone_number_id": "201000000000001",
                    "template_id": "019a0000-0000-7000-8000-000000000000",
                    "list_id": "019a0000-0000-7000-8000-000000000001",
                    "parameters": {"1": {"attribute": "name"}, "2": {"value": "Pinheiros"}},
                },
            ]
        }
    )

    name: Name
    phone_number_id: MetaId
    template_id: Id
    list_id: Id | None = Field(default=None, description="A list, or else a segment.")
    segment_id: Id | None = Field(
        default=None, description="Whom it means when the campaign is planned."
    )
    parameters: Annotated[dict[ParameterKey, FromAttribute | FromValue], Field(max_length=64)] = (
        Field(default_factory=dict, description="Template parameter to where its value comes from.")
    )
    scheduled_at: Instant | None = Field(
        default=None, description="An approved campaign starts then by itself."
    )
    experiment: Experiment | None = Field(default=None, description="Arms, and people held out.")
    canary: CanaryRules | None = Field(default=None, description="A few people first, by waves.")
    scheduled_local: WallClockTime | None = Field(
        default=None, description="The same as a wall clock of your tenant's zone, without offset."
    )
    local_delivery: bool = Field(
        default=False,
        description="Everybody at that wall clock in their own zone: over up to 26 hours.",
    )
    max_lateness_minutes: LatenessMinutes = 240

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_times(self.scheduled_at, self.scheduled_local)
        if self.local_delivery and self.scheduled_at is None and self.scheduled_local is None:
            raise PydanticCustomError("needs_a_time", "local_delivery needs scheduled_at")
        return self


def check_times(scheduled_at: datetime | None, scheduled_local: datetime | None) -> None:
    """Raise when a time is given twice."""
    if scheduled_at is not None and scheduled_local is not None:
        raise PydanticCustomError("two_times", "give scheduled_at or scheduled_local, not both")


class ChangeCampaign(Request):
    """What may change before the launch; what is left out stays, null takes the schedule away."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"scheduled_local": "2026-12-01T09:00"}, {"max_lateness_minutes": 60}],
            "minProperties": 1,
        }
    )

    name: Name | None = None
    scheduled_at: Instant | None = None
    scheduled_local: WallClockTime | None = None
    local_delivery: bool | None = None
    max_lateness_minutes: LatenessMinutes | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_times(self.scheduled_at, self.scheduled_local)
        return self


class Resume(Request):
    """How to go on after the template has changed."""

    accept_template_version_hash: Annotated[
        str | None,
        Field(
            max_length=128,
            pattern=r"^[A-Za-z0-9:_-]+$",
            description="The version to go on with; for a campaign that was launched before.",
        ),
    ] = None


class CampaignSummary(Answer):
    """A campaign in a list."""

    campaign_id: UUID
    name: str
    phone_number_id: str
    template_id: UUID
    list_id: UUID = Field(
        description="Of a campaign to a segment: a list of its own, filled when it is planned."
    )
    segment_id: UUID | None
    status: StoredStatus
    state: ShownState = Field(
        description="As people see it: the status, or scheduled, finished, finished_with_failures."
    )
    status_reason: str | None
    category: str | None
    series_id: UUID | None
    local_delivery: bool
    max_lateness_minutes: int
    scheduled_at: datetime | None
    launched_at: datetime | None
    finished_at: datetime | None = Field(description="When no message was open any more.")
    created_by: str
    created_at: datetime


class PlanProgress(Answer):
    """A plan in the making."""

    decided: int = Field(description="People decided about so far.")
    audience: int = Field(description="People on the list when the plan began.")


class Waiting(Answer):
    """Queued messages that wait for one reason."""

    reason: str = Field(
        description=(
            "switch, tenant_suspended, paused, not_launched, scheduled, number_paused, "
            "account_blocked: the whole campaign. template_halted, template_changed, "
            "wave_not_released, quiet_hours, portfolio_limit, local_delivery, throttled, "
            "retry_later, its_turn: these messages."
        )
    )
    messages: int | None = Field(description="Of the first 100,000; null: all that are queued.")
    until: datetime | None = Field(description="When it ends, as far as that is known.")
    detail: str | None = None


class Campaign(CampaignSummary):
    """A campaign with its plan."""

    moving: ClassVar[frozenset[str]] = frozenset({"plan_progress", "waiting_because"})

    parameters: dict[str, Any]
    experiment: dict[str, Any] | None
    canary: dict[str, Any] | None
    template_version_hash: str | None = Field(description="Pinned by the plan.")
    plan: dict[str, Any] | None = Field(description="The dry run: audience, cost, finish time.")
    plan_hash: str | None = Field(description="Give it back to approve exactly this plan.")
    planned_at: datetime | None
    plan_requested_by: str | None = Field(description="Who asked for the plan.")
    plan_progress: PlanProgress | None = Field(
        description="How far a plan in the making is; null when none is."
    )
    approved_at: datetime | None
    approved_by: str | None
    paused_at: datetime | None
    cancelled_at: datetime | None
    plan_stale_reason: str | None = Field(
        description="Why the plan no longer says what would be sent: template_changed."
    )
    waiting_because: list[Waiting] = Field(
        default_factory=list, description="Why its messages wait; read from GET of one campaign."
    )


class PlanRequest(Request):
    """How to plan."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"dry_run": True}]})

    dry_run: bool = Field(
        default=False, description="Compute and show the plan, and keep no row of it."
    )


class Approve(Request):
    """The plan that was read and is approved."""

    plan_hash: Annotated[str, Field(min_length=8, max_length=128, pattern=r"^[A-Za-z0-9:_-]+$")]


class Cancelled(Answer):
    """A cancelled campaign: what was taken back. What a worker has taken is sent and counted."""

    campaign_id: UUID
    status: Literal["cancelled"] = "cancelled"
    cancelled_messages: int = Field(description="Taken back by this call.")
    remaining: int = Field(
        description="Still being taken back in the background; none of them is sent any more."
    )


class ErrorCount(Answer):
    """Failed messages of one code, in the error atlas's words."""

    code: int
    name: str
    advice: str
    messages: int


class ReasonCount(Answer):
    """Messages of one state that carry a reason of ours."""

    state: str
    reason: str
    messages: int


class Conservation(Answer):
    """People planned against messages in all states: equal at every instant."""

    planned: int
    sum: int
    holds: bool


class ResidualRisk(Answer):
    """What evidence has not settled, in messages: Meta has no idempotency key, so this is never
    hidden.
    """

    closed_unconfirmed: int = Field(
        description="Counted as not sent for want of any sign; some may have arrived."
    )
    repeated: int = Field(
        description="Sent again after a doubt that was settled as not sent; some may arrive twice."
    )
    in_doubt: int = Field(description="Not settled yet.")
    in_doubt_since: datetime | None = Field(description="Since when the oldest of them is.")


class CampaignStats(Answer):
    """Where every message of a campaign is."""

    campaign_id: UUID
    status: str = Field(description="As stored, or derived: finished, finished_with_failures.")
    states: dict[str, int] = Field(description="Messages by state; every state is listed.")
    exclusions: dict[str, int] = Field(description="Excluded people by reason.")
    errors: list[ErrorCount]
    reasons: list[ReasonCount]
    conservation: Conservation
    accepted: int = Field(description="Messages Meta took, whatever came of them afterwards.")
    rate_per_second: float = Field(description="Messages taken by Meta, over the last minute.")
    seconds_left: int | None = Field(description="At that rate; null when nothing moves.")
    residual_risk: ResidualRisk
