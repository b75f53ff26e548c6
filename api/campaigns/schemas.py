"""What the campaigns slice takes and gives."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from api.campaigns.sources import FromAttribute, FromValue, ParameterKey
from api.campaigns.trials import CanaryRules, Experiment
from api.dto import Answer, Id, Instant, MetaId, Name, Request

StoredStatus = Literal[
    "draft", "planning", "planned", "plan_failed", "approved", "running", "paused", "cancelled"
]


class CreateCampaign(Request):
    """One template to the people of one list."""

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
    list_id: Id
    parameters: Annotated[dict[ParameterKey, FromAttribute | FromValue], Field(max_length=64)] = (
        Field(default_factory=dict, description="Template parameter to where its value comes from.")
    )
    scheduled_at: Instant | None = Field(
        default=None, description="Nothing is sent before it, also when launched earlier."
    )
    experiment: Experiment | None = Field(default=None, description="Arms, and people held out.")
    canary: CanaryRules | None = Field(default=None, description="A few people first, by waves.")


class CampaignSummary(Answer):
    """A campaign in a list."""

    campaign_id: UUID
    name: str
    phone_number_id: str
    template_id: UUID
    list_id: UUID
    status: StoredStatus
    status_reason: str | None
    category: str | None
    scheduled_at: datetime | None
    launched_at: datetime | None
    finished_at: datetime | None = Field(description="When no message was open any more.")
    created_by: str
    created_at: datetime


class PlanProgress(Answer):
    """A plan in the making."""

    decided: int = Field(description="People decided about so far.")
    audience: int = Field(description="People on the list when the plan began.")


class Campaign(CampaignSummary):
    """A campaign with its plan. Whether it is finished: see its stats."""

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
