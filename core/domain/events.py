"""Business facts about messages: their names, and the numbers the lake stores instead of names.

One row of raw.message_events is one fact, written in the transaction that made it true. A number
is never used again for another word, for old Parquet files keep it.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

SCHEMA_VERSION: Final = 1


class EventType(StrEnum):
    """What became true about a message."""

    PLANNED = "planned"
    EXCLUDED = "excluded"
    ACCEPTED = "accepted"
    HELD = "held"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    IN_DOUBT = "in_doubt"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


EVENT_TYPE_CODES: Final[Mapping[EventType, int]] = MappingProxyType(
    {event_type: code for code, event_type in enumerate(EventType, start=1)}
)
CATEGORY_CODES: Final[Mapping[str, int]] = MappingProxyType(
    {
        "marketing": 1,
        "utility": 2,
        "authentication": 3,
        "authentication_international": 4,
        "service": 5,
        "marketing_lite": 6,
        "referral_conversion": 7,
        "general_purpose_ai": 8,
    }
)
PRICING_TYPE_CODES: Final[Mapping[str, int]] = MappingProxyType(
    {"regular": 1, "free_customer_service": 2, "free_entry_point": 3}
)
