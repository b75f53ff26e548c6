"""Arms and waves: what a campaign may try on some people before, or instead of, all of them."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from api.campaigns.sources import FromAttribute, FromValue, ParameterKey
from api.dto import Answer, Id, Request

Percent = Annotated[
    str,
    Field(
        pattern=r"^(100(\.0{1,2})?|[0-9]{1,2}(\.[0-9]{1,2})?)$",
        description="A share as decimal text, up to two places.",
    ),
]


class Variant(Request):
    """One arm: its share of the people, and what differs from the campaign."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,20}$")]
    percent: Percent
    template_id: Id | None = Field(default=None, description="Null: the campaign's.")
    parameters: (
        Annotated[dict[ParameterKey, FromAttribute | FromValue], Field(max_length=64)] | None
    ) = Field(default=None, description="Null: the campaign's.")


class Experiment(Request):
    """Arms compared with each other, and people held out to compare with nothing sent.

    Who is in which arm is decided by a hash of campaign and person: the same at every plan.
    """

    holdout_percent: Percent = "0"
    variants: Annotated[list[Variant], Field(min_length=1, max_length=10)]

    @model_validator(mode="after")
    def _shares_fit(self) -> "Experiment":
        names = [variant.name for variant in self.variants]
        if len(set(names)) != len(names) or "holdout" in names:
            raise PydanticCustomError("variant_names", "variants need different names")
        if sum(Decimal(variant.percent) for variant in self.variants) != 100:
            raise PydanticCustomError("variant_shares", "the variants' percents must sum to 100")
        if Decimal(self.holdout_percent) > 50:
            raise PydanticCustomError("holdout", "at most 50 percent can be held out")
        return self


class CanaryRules(Request):
    """Waves, and what must hold before the next one goes."""

    percents: Annotated[list[Percent], Field(min_length=2, max_length=10)] = Field(
        default=["1", "10", "100"], description="Cumulative shares of the audience; end with 100."
    )
    wait_minutes: Annotated[int, Field(ge=0, le=10_080)] = Field(
        default=15, description="At least so long after a wave was released."
    )
    max_not_delivered_percent: Percent = Field(
        default="5", description="Of those judged: Meta's per-person limit, 131049."
    )
    max_failed_percent: Percent = "10"

    @model_validator(mode="after")
    def _rises(self) -> "CanaryRules":
        shares = [Decimal(share) for share in self.percents]
        if shares != sorted(set(shares)) or shares[0] <= 0 or shares[-1] != 100:
            raise PydanticCustomError("waves", "percents must rise from above 0 to 100")
        return self


class ShareOf(Answer):
    """A share with its 95 % interval."""

    messages: int
    percent: float
    low: float
    high: float


class Arm(Answer):
    """What became of one arm."""

    variant: str
    people: int
    waiting: int = Field(description="Not sent yet.")
    stopped: str | None = Field(
        description="Why nothing more of this arm is sent: template_halted, template_changed."
    )
    accepted: int
    delivered: ShareOf = Field(description="Of those accepted.")
    read: ShareOf = Field(description="Of those delivered.")
    failed: int
    opted_out: ShareOf = Field(description="Of the arm's people, since the launch.")


class Comparison(Answer):
    """Two arms, and on what they differ at 95 % confidence."""

    one: str
    other: str
    differ_on: list[str] = Field(description="delivered, read, opted_out.")


class ExperimentResult(Answer):
    """The arms so far. Looking early and often finds differences that are none."""

    campaign_id: UUID
    arms: list[Arm]
    comparisons: list[Comparison]


class Wave(Answer):
    """One wave of a canary."""

    wave: int
    percent: str = Field(description="Cumulative.")
    released: bool
    messages: int
    open: int
    failed: int


class Waves(Answer):
    """Where a campaign's canary is."""

    campaign_id: UUID
    status: str
    status_reason: str | None
    released_wave: int
    wave_released_at: datetime | None
    waves: list[Wave]
