"""When free text may be sent: 24 hours from what the person last said, to the second. Pure.

Sources: Meta, send messages (service window) and messages webhooks, as read on 2026-09-11.
"""

from datetime import datetime, timedelta
from typing import Final

SERVICE_WINDOW: Final = timedelta(hours=24)
"""From the instant the person wrote or called, which is Meta's timestamp and not our clock's."""
# Meta tells us of these, but they are not a message of the person: a notice about their account
# (system), a chat they opened without a word (request_welcome), a mark on a message (reaction), a
# change of an older one (edit, revoke). Meta's pages name "a message or call" only; where they are
# silent we stay on the safe side, for a closed window costs a template and a wrong one a failure.
_NOT_OPENING: Final = frozenset({"system", "request_welcome", "reaction", "edit", "revoke"})


def opens_window(kind: str) -> bool:
    """Whether an inbound update of this type opens or refreshes the window.

    A type that we don't know is a message: Meta calls those `unsupported`.
    """
    return kind not in _NOT_OPENING


def window_end(occurred_at: datetime) -> datetime:
    """The first instant at which free text may no longer be sent."""
    return occurred_at + SERVICE_WINDOW


def is_window_open(last_said_at: datetime, now: datetime) -> bool:
    """Whether free text may be sent `now`: at 24 h and 0 s it may not."""
    return last_said_at <= now < window_end(last_said_at)
