"""What the numbers slice gives."""

from datetime import datetime
from decimal import Decimal

from pydantic import Field

from api.dto import Answer


class Number(Answer):
    """One WhatsApp number of the tenant."""

    phone_number_id: str
    waba_id: str
    display_phone_number: str
    verified_name: str | None
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


class NumbersSynced(Answer):
    """What a sync found."""

    accounts: int
    numbers: int
    created: int
