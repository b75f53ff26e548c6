"""When a failed webhook is tried again.

5 s, 5 min, 30 min, 2 h, 5 h, then every 10 h for three days, each 20 % sooner or later by chance,
so that an endpoint which comes back isn't met by everything at once.
"""

from datetime import datetime, timedelta
from typing import Final

SCHEDULE_SECONDS: Final = (5, 300, 1_800, 7_200, 18_000, 36_000)
JITTER: Final = 0.2
LONGEST_WISH_SECONDS: Final = 3_600
"""A Retry-After is granted up to an hour, or up to the schedule where that is longer."""


def next_try(
    *,
    failures: int,
    now: datetime,
    give_up_at: datetime,
    chance: float,
    retry_after_seconds: int | None = None,
) -> datetime | None:
    """The next attempt after this many failures (1 after the first), None when there is none.

    `chance` in [0, 1) is the jitter's dice. `retry_after_seconds` is what the endpoint asked for:
    it can only delay. Nothing is tried after `give_up_at`.
    """
    base = SCHEDULE_SECONDS[min(failures, len(SCHEDULE_SECONDS)) - 1]
    wait = base * (1 - JITTER + 2 * JITTER * chance)
    if retry_after_seconds is not None:
        # Never before the time asked for; a little after, for the same reason as above.
        asked = min(retry_after_seconds, LONGEST_WISH_SECONDS) * (1 + JITTER * chance)
        wait = max(wait, asked)
    at = now + timedelta(seconds=wait)
    return at if at <= give_up_at else None
