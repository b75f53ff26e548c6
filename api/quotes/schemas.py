"""What the quotes slice takes and gives. Amounts are decimal text, never floats."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from api.dto import Answer, Id, Instant, MetaId, Name, Request

Category = Literal["marketing", "utility", "authentication", "service"]
_MOST_PORTIONS = 500
_FIRST_YEAR, _LAST_YEAR = 2000, 2100
_MOST_MESSAGES = 100_000_000


def _near(at: datetime) -> datetime:
    """Rates have days; those of no calendar that an account could have are refused."""
    if not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        raise PydanticCustomError("far_away", "must lie between 2000 and 2100")
    return at


class PortionToQuote(Request):
    """Messages that cost alike."""

    category: Category
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = Field(
        default=None, description="Where the people are; Meta's market is looked up."
    )
    market: Name | None = Field(
        default=None, description="Instead of `country`: a market as Meta's rate card names it."
    )
    in_window: bool = Field(default=False, description="The people wrote in the last 24 hours.")
    in_free_entry_point: bool = Field(
        default=False, description="They came by an advertisement, and you answered."
    )
    messages: Annotated[int, Field(ge=1, le=_MOST_MESSAGES)]

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if (self.country is None) == (self.market is None):
            raise PydanticCustomError("place", "give either `country` or `market`")
        return self


class AskQuote(Request):
    """A campaign, or messages from a number by category and place."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "phone_number_id": "201000000000001",
                    "messages": [
                        {"category": "marketing", "country": "BR", "messages": 1000},
                        {
                            "category": "utility",
                            "country": "PT",
                            "in_window": True,
                            "messages": 200,
                        },
                    ],
                },
                {"campaign_id": "019a0000-0000-7000-8000-000000000002"},
            ]
        }
    )

    campaign_id: Id | None = Field(
        default=None, description="What of it isn't sent yet, or what its dry run counted."
    )
    phone_number_id: MetaId | None = Field(
        default=None, description="Which number would send: its account's currency and days count."
    )
    messages: Annotated[list[PortionToQuote], Field(max_length=_MOST_PORTIONS)] = Field(
        default_factory=list
    )
    send_at: Annotated[Instant, AfterValidator(_near)] | None = Field(
        default=None, description="Null: now, or when the campaign is scheduled for."
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        counted = self.phone_number_id is not None and bool(self.messages)
        either = self.phone_number_id is not None or bool(self.messages)
        if (self.campaign_id is not None and either) or (self.campaign_id is None and not counted):
            raise PydanticCustomError(
                "quote_of_what", "give `campaign_id`, or `phone_number_id` and `messages`"
            )
        return self


class QuotedWindows(Answer):
    """How many of the messages go to people in a window."""

    service_window: int
    free_entry_point: int


class QuoteLine(Answer):
    """Messages that cost alike, and what they cost."""

    market: str | None = Field(description="Null: unknown, and so is the price.")
    category: Category
    in_window: bool
    in_free_entry_point: bool
    pricing_type: str = Field(
        description="How Meta would price them now: `regular`, `free_customer_service` or "
        "`free_entry_point`."
    )
    messages: int
    rate: Decimal | None = Field(description="Of one message outside windows; null: unknown.")
    cost: Decimal | None = Field(description="At the regular rate, which is the most.")
    cost_low: Decimal | None = Field(description="With what is free in windows as they are now.")


class Quote(Answer):
    """What messages would cost at Meta's prices; computed when asked, and not kept."""

    campaign_id: UUID | None
    currency: str
    total: Decimal = Field(description="The same as `total_high`.")
    total_low: Decimal
    total_high: Decimal
    unknown_messages: int = Field(description="Without market or rate: in none of the sums.")
    windows: QuotedWindows
    rate_date: date = Field(description="The day of the account whose prices these are.")
    note: str
    lines: list[QuoteLine]
