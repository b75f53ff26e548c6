"""What recurring campaigns take and give."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from api.campaigns.schemas import LatenessMinutes, ShownState, WallClockTime
from api.campaigns.sources import FromAttribute, FromValue, ParameterKey
from api.campaigns.trials import CanaryRules, Experiment
from api.dto import Answer, Day, Id, MetaId, Name, Request

SeriesStatus = Literal["active", "paused", "ended"]
Parameters = Annotated[dict[ParameterKey, FromAttribute | FromValue], Field(max_length=64)]


def _whole_minute(value: datetime) -> datetime:
    if value.second or value.microsecond:
        raise PydanticCustomError("whole_minute", "must be a whole minute")
    return value


StartsLocal = Annotated[WallClockTime, AfterValidator(_whole_minute)]
LeadMinutes = Annotated[
    int,
    Field(
        ge=5,
        le=1_440,
        description="How long before its time a campaign is made and planned.",
    ),
]


class Recurrence(Request):
    """How often: a part of RFC 5545, on the tenant's wall clock.

    A month without the day is left out; `month_day` -1 is the last day of each month.
    """

    frequency: Literal["daily", "weekly", "monthly"]
    interval: Annotated[int, Field(ge=1, le=99, description="Every so many days, weeks ...")] = 1
    weekdays: Annotated[
        list[Annotated[int, Field(ge=1, le=7)]],
        Field(max_length=7, description="Weekly: Monday 1 to Sunday 7; none: that of the start."),
    ] = Field(default_factory=list)
    month_day: Annotated[int, Field(ge=-1, le=31)] | None = Field(
        default=None, description="Monthly: 1 to 31, or -1; null: the day of the start."
    )
    until: Day | None = Field(default=None, description="The last day, in the tenant's zone.")
    count: Annotated[int, Field(ge=1, le=1_000)] | None = Field(
        default=None, description="Occurrences from `starts_local` on, skipped ones included."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.weekdays)) != len(self.weekdays):
            raise PydanticCustomError("repeated_day", "a day is named twice")
        if self.weekdays and self.frequency != "weekly":
            raise PydanticCustomError("weekdays", "weekdays belong to weekly")
        if self.month_day is not None and self.frequency != "monthly":
            raise PydanticCustomError("month_day", "month_day belongs to monthly")
        if self.month_day == 0:
            raise PydanticCustomError("month_day", "month_day is 1 to 31, or -1")
        if self.until is not None and self.count is not None:
            raise PydanticCustomError("two_ends", "give until or count, not both")
        return self


class CreateSeries(Request):
    """A campaign that is made anew at every occurrence."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Offer of the week",
                    "phone_number_id": "201000000000001",
                    "template_id": "019a0000-0000-7000-8000-000000000000",
                    "list_id": "019a0000-0000-7000-8000-000000000001",
                    "parameters": {"1": {"attribute": "name"}},
                    "starts_local": "2026-12-01T09:00",
                    "recurrence": {"frequency": "weekly", "weekdays": [2, 5], "count": 12},
                },
            ]
        }
    )

    name: Name
    phone_number_id: MetaId
    template_id: Id
    list_id: Id | None = Field(default=None, description="A list, or else a segment.")
    segment_id: Id | None = Field(
        default=None, description="Each run goes to the people it means when that run is planned."
    )
    parameters: Parameters = Field(
        default_factory=dict, description="Template parameter to where its value comes from."
    )
    experiment: Experiment | None = Field(
        default=None, description="Arms, and people held out; drawn anew for each run."
    )
    canary: CanaryRules | None = Field(
        default=None, description="A few people first, by waves, in each run."
    )
    starts_local: StartsLocal = Field(
        description="The first wall clock it may occur at, in your tenant's zone, without offset."
    )
    recurrence: Recurrence
    local_delivery: bool = Field(
        default=False, description="Everybody at that wall clock in their own zone."
    )
    lead_minutes: LeadMinutes = 60
    max_lateness_minutes: LatenessMinutes = 240


class ChangeSeries(Request):
    """What is left out stays. All but names and minutes takes the standing approval away."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"recurrence": {"frequency": "daily", "interval": 2}}]}
    )

    name: Name | None = None
    phone_number_id: MetaId | None = None
    template_id: Id | None = None
    list_id: Id | None = None
    segment_id: Id | None = Field(default=None, description="In place of the list or segment.")
    parameters: Parameters | None = None
    experiment: Experiment | None = Field(default=None, description="Null takes it away.")
    canary: CanaryRules | None = Field(default=None, description="Null takes it away.")
    starts_local: StartsLocal | None = None
    recurrence: Recurrence | None = None
    local_delivery: bool | None = None
    lead_minutes: LeadMinutes | None = None
    max_lateness_minutes: LatenessMinutes | None = None


class ApproveSeries(Request):
    """The series that was read and is approved."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"approval_hash": "0" * 64}]})

    approval_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class StandingApproval(Answer):
    """Who approved what every occurrence will be."""

    approved_by: str
    approved_at: datetime
    template_version_hash: str
    holds: bool = Field(description="False: the template has changed since, plans wait again.")


class CampaignSeries(Answer):
    """A series as it is now."""

    moving: ClassVar[frozenset[str]] = frozenset({"next_local", "next_at", "updated_at"})

    series_id: UUID
    name: str
    phone_number_id: str
    template_id: UUID
    list_id: UUID = Field(
        description="Of a series to a segment: an empty list that stands for the segment."
    )
    segment_id: UUID | None
    parameters: dict[str, Any]
    experiment: dict[str, Any] | None
    canary: dict[str, Any] | None
    starts_local: datetime
    recurrence: Recurrence
    timezone: str = Field(description="The tenant's zone: every wall clock here is read in it.")
    local_delivery: bool
    lead_minutes: int
    max_lateness_minutes: int
    status: SeriesStatus
    next_local: datetime | None = Field(description="The occurrence that is made next.")
    next_at: datetime | None
    approval_hash: str = Field(description="Give it back to approve exactly this series.")
    standing_approval: StandingApproval | None = Field(
        description="Null: each campaign's plan is approved by hand."
    )
    created_by: str
    changed_by: str = Field(description="Who last changed what an approval covers.")
    created_at: datetime
    updated_at: datetime


class UpcomingOccurrence(Answer):
    """One occurrence ahead."""

    occurs_local: datetime
    occurs_at: datetime


class UpcomingOccurrences(Answer):
    """What the rule says, as of now."""

    timezone: str
    items: list[UpcomingOccurrence]


class Occurrence(Answer):
    """What became of an occurrence: a campaign, or why none."""

    occurs_local: datetime
    occurs_at: datetime
    campaign_id: UUID | None
    campaign_state: ShownState | None
    skipped_reason: Literal["previous_open", "missed"] | None
    recorded_at: datetime
