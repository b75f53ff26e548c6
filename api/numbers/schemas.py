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


class NumbersSynced(Answer):
    """What a sync found."""

    accounts: int
    numbers: int
    created: int
