"""When a campaign will have been sent, at the earliest and at the latest. Pure.

The sending is played through in steps of a quarter of an hour: what the number's rate lets through,
whom quiet hours let have it, and how many new people the portfolio's limit lets begin with. It is a
forecast: Meta's answers, other campaigns and people who write meanwhile are not in it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

STEP: Final = timedelta(minutes=15)
HORIZON: Final = timedelta(days=31)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """People who share a clock: how many, how many of them count against the portfolio's limit.

    `begins_at` is the earliest instant for them; `is_quiet` tells whether one may not send then.
    """

    people: int
    new_people: int
    begins_at: datetime
    is_quiet: Callable[[datetime], bool] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A portfolio's limit: people a moving day, and how many of them are left today."""

    people_per_day: int
    left_today: int


def finish_at(
    crowds: Sequence[Crowd], *, start: datetime, per_second: float, room: Room | None
) -> datetime | None:
    """The instant the last message goes out; None when that is more than 31 days away.

    Those who count against the limit are assumed to come last, and the whole day's limit to come
    back every 24 hours: Meta's day moves, so some come back sooner.
    """
    waiting = [[crowd.people - crowd.new_people, crowd.new_people] for crowd in crowds]
    left = room.left_today if room else sum(crowd.new_people for crowd in crowds)
    at, day_end, last = start, start + _DAY, start
    while any(known or new for known, new in waiting):
        if at - start > HORIZON:
            return None
        if room and at >= day_end:
            left, day_end = room.people_per_day, day_end + _DAY
        budget = per_second * STEP.total_seconds()
        sent = 0.0
        for crowd, people in zip(crowds, waiting, strict=True):
            if at + STEP <= crowd.begins_at or (crowd.is_quiet and crowd.is_quiet(at)):
                continue
            known = min(people[0], int(budget - sent))
            new = min(people[1], left, int(budget - sent) - known)
            people[0] -= known
            people[1] -= new
            left -= new
            sent += known + new
        if sent:
            last = at + timedelta(seconds=sent / per_second)
        at += STEP
    return last
