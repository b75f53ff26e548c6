"""What Meta's words for a template's status mean to who wants to send it.

Source: Meta, message_template_status_update and the status of a template's node, as read on
2026-09-11.
"""

from enum import StrEnum
from typing import Final

APPROVED: Final = "APPROVED"
HALTING: Final = frozenset(
    {
        "PAUSED",
        "DISABLED",
        "FLAGGED",
        "REJECTED",
        "DELETED",
        "PENDING_DELETION",
        "LOCKED",
        "ARCHIVED",
        "LIMIT_EXCEEDED",
        "PENDING",
        "IN_APPEAL",
    }
)
_LIFTING: Final = frozenset({APPROVED, "REINSTATED", "UNARCHIVED", "UNPAUSE", "UNPAUSED"})
_REVIEW: Final = frozenset({"PENDING", "IN_APPEAL"})
_NEVER_APPROVED: Final = frozenset({"DRAFT", "PENDING", "IN_APPEAL", "REJECTED"})


class Effect(StrEnum):
    """What a word does to the messages that wait for the template."""

    HALTS = "halts"
    LIFTS = "lifts"
    NOTHING = "nothing"


def effect_of(status: str, reason: str | None = None) -> Effect:
    """What a status does; `reason` is Meta's word for why. Words to come do nothing."""
    if status in HALTING:
        return Effect.HALTS
    if status in _LIFTING or (reason or "").upper() == "UNPAUSE":
        return Effect.LIFTS
    return Effect.NOTHING


def is_news(status: str, before: str) -> bool:
    """Whether people are told of a halt: a new template under review stops nothing that went."""
    return not (status in _REVIEW and before in _NEVER_APPROVED)
