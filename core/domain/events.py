"""What happens to a message, as facts: each is written once, by the change that makes it true.

The live database keeps the words; the lake keeps the numbers below, which are a tenth of the size
and twice as fast to group. A number, once given, is never used for anything else.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from core.domain.message_state import MessageState

SCHEMA_VERSION: Final = 1
"""The shape of raw.message_events; raised with every change that a reader must know of."""


class EventType(StrEnum):
    """One business fact about one message. Claims and retries aren't facts of business."""

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
    REDRIVEN = "redriven"


class Category(StrEnum):
    """What kind of message Meta charges for; Meta's hyphens are our underscores."""

    MARKETING = "marketing"
    UTILITY = "utility"
    AUTHENTICATION = "authentication"
    AUTHENTICATION_INTERNATIONAL = "authentication_international"
    SERVICE = "service"


class PricingType(StrEnum):
    """Why Meta charges a message or not, since 2025-07-01."""

    REGULAR = "regular"
    FREE_CUSTOMER_SERVICE = "free_customer_service"
    FREE_ENTRY_POINT = "free_entry_point"


UNKNOWN_CODE: Final = 0
"""In the lake: a word this version doesn't know, or none at all. Never dropped, never guessed."""

EVENT_TYPE_CODES: Final[Mapping[EventType, int]] = MappingProxyType(
    {
        EventType.PLANNED: 1,
        EventType.EXCLUDED: 2,
        EventType.ACCEPTED: 3,
        EventType.HELD: 4,
        EventType.SENT: 5,
        EventType.DELIVERED: 6,
        EventType.READ: 7,
        EventType.FAILED: 8,
        EventType.IN_DOUBT: 9,
        EventType.CANCELLED: 10,
        EventType.EXPIRED: 11,
        EventType.REDRIVEN: 12,
    }
)
CATEGORY_CODES: Final[Mapping[Category, int]] = MappingProxyType(
    {
        Category.MARKETING: 1,
        Category.UTILITY: 2,
        Category.AUTHENTICATION: 3,
        Category.AUTHENTICATION_INTERNATIONAL: 4,
        Category.SERVICE: 5,
    }
)
PRICING_TYPE_CODES: Final[Mapping[PricingType, int]] = MappingProxyType(
    {
        PricingType.REGULAR: 1,
        PricingType.FREE_CUSTOMER_SERVICE: 2,
        PricingType.FREE_ENTRY_POINT: 3,
    }
)

# Queued and sending aren't facts: planned and accepted say what matters of them.
EVENT_OF_STATE: Final[Mapping[MessageState, EventType]] = MappingProxyType(
    {
        MessageState.EXCLUDED: EventType.EXCLUDED,
        MessageState.ACCEPTED: EventType.ACCEPTED,
        MessageState.HELD: EventType.HELD,
        MessageState.SENT: EventType.SENT,
        MessageState.DELIVERED: EventType.DELIVERED,
        MessageState.READ: EventType.READ,
        MessageState.FAILED: EventType.FAILED,
        MessageState.IN_DOUBT: EventType.IN_DOUBT,
        MessageState.CANCELLED: EventType.CANCELLED,
        MessageState.EXPIRED: EventType.EXPIRED,
    }
)


def event_type_code(word: str) -> int:
    """The lake's number of an event type, 0 for an unknown one."""
    return EVENT_TYPE_CODES.get(EventType(word), UNKNOWN_CODE) if word in set(EventType) else 0


def category_code(word: str | None) -> int:
    """The lake's number of a category as Meta or we write it, 0 for none or an unknown one."""
    own = (word or "").lower().replace("-", "_")
    return CATEGORY_CODES[Category(own)] if own in set(Category) else UNKNOWN_CODE


def pricing_type_code(word: str | None) -> int:
    """The lake's number of a pricing type, 0 for none or an unknown one."""
    own = (word or "").lower()
    return PRICING_TYPE_CODES[PricingType(own)] if own in set(PricingType) else UNKNOWN_CODE
