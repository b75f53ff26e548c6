"""What the numbers slice gives."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

from pydantic import Field

from api.dto import Answer

NumberState = Literal["ready", "slowed", "paused", "blocked", "stopped"]


class Number(Answer):
    """One WhatsApp number of the tenant."""

    phone_number_id: str
    waba_id: str
    portfolio_id: str = Field(description="Whose messaging limit it shares.")
    display_phone_number: str
    verified_name: str | None
    state: NumberState = Field(description="Of what holds it back now, the gravest.")
    quality: str
    throughput_per_second: int = Field(description="What Meta grants the number.")
    granted_per_second: Decimal = Field(description="What is used of it now; falls on 130429.")
    paused_until: datetime | None
    pause_reason: str | None
    blocked_reason: str | None = Field(description="Why nothing is sent on its account now.")
    synced_at: datetime | None
    created_at: datetime = Field(description="When we took it over from Meta.")


class Portfolio(Answer):
    """A business portfolio of the tenant, and how many people it may begin to write to.

    The limit is one for all numbers of the portfolio, also those of others; people in an open
    service window and people already reached in the moving day need no room.
    """

    portfolio_id: str
    known: bool = Field(description="False until Meta told us its limit; then none is enforced.")
    people_per_day: int | None = Field(description="New people in 24 hours; null: no limit.")
    used: int | None = Field(description="People reached in the last 24 hours, of limited ones.")
    free: int | None = Field(description="People it may still begin to write to now.")
    next_free_at: datetime | None = Field(description="When there is room again; null: now.")
    created_at: datetime = Field(description="When its first account of yours came to us.")


class NumberStop(Answer):
    """Something that stopped a number, or the account it belongs to."""

    kind: Literal["number_paused", "account_blocked"]
    detail: str = Field(description="Why, and what to do.")
    times: int = Field(description="How often it was met.")
    since: datetime
    last_seen_at: datetime
    ended_at: datetime | None = Field(description="Null: it still holds.")


class SendError(Answer):
    """Sends that failed for one reason."""

    code: int = Field(description="Meta's code.")
    name: str
    attempts: int


class RecentSends(Answer):
    """What became of the latest attempts to send, counted from the rows.

    A part of your latest 5,000 attempts of the last 24 hours: those of this number.
    """

    since: datetime | None = Field(description="The first of them; null when there is none.")
    attempts: int
    accepted: int = Field(description="Meta took them, and has told no failure since.")
    failed: int = Field(description="Meta refused them, or told later that they failed.")
    in_doubt: int = Field(description="Meta's answer never came.")
    put_off: int = Field(description="Tried again later by themselves: a limit, or no connection.")
    error_rate: Decimal | None = Field(
        description="`failed` of `accepted` and `failed`, 0 to 1; null when there are none."
    )
    errors: list[SendError] = Field(description="The ten most frequent codes.")


class NumberHealth(Number):
    """A number with what held it back, what its portfolio has room for, and how its sends do."""

    portfolio: Portfolio
    stops: list[NumberStop] = Field(
        description="Pauses and blocks that somebody is told of, of 30 days, the latest first."
    )
    recent: RecentSends


class NumbersSynced(Answer):
    """What a sync found."""

    accounts: int
    numbers: int
    created: int
