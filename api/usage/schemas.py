"""What the usage slice gives."""

from datetime import date as day

from pydantic import Field

from api.dto import Answer


class UsageRow(Answer):
    """Delivered messages of one day, category, market and pricing type."""

    date: day = Field(description="Day of the tenant's zone.")
    category: str
    market: str | None = Field(description="Meta's market; null when the number's is unknown.")
    pricing_type: str | None = Field(
        description="regular, free_customer_service, free_entry_point."
    )
    delivered: int
    read: int


class Usage(Answer):
    """Usage of [from, to), as published by the last run of the data path."""

    items: list[UsageRow]
    delivered: int = Field(description="Sum over the items.")
