"""When a campaign starts: wall clocks of a zone, and rules that repeat. Pure.

A rule is a small part of RFC 5545 (section 3.3.10): daily, weekly on days, monthly on a day, with
an interval and an end by count or by date. A day that a month does not have is left out, as the
RFC has it; -1 is the last day of each month.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from dateutil.rrule import DAILY, MONTHLY, WEEKLY, rrule, weekday

#: How far the first and the last person of a local delivery can lie apart: UTC+14 to UTC-12.
ZONES_APART: Final = timedelta(hours=26)


class Frequency(StrEnum):
    """How often a rule repeats."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


_RRULE: Final = {Frequency.DAILY: DAILY, Frequency.WEEKLY: WEEKLY, Frequency.MONTHLY: MONTHLY}
_DAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule that repeats.

    `weekdays` (Monday 1 .. Sunday 7) belong to weekly, `month_day` (1 .. 31, or -1) to monthly;
    `until` is the last local day, `count` the number of occurrences; at most one of them is set.
    """

    frequency: Frequency
    interval: int = 1
    weekdays: frozenset[int] = frozenset()
    month_day: int | None = None
    until: date | None = None
    count: int | None = None


def instant_of(wall: datetime, zone: ZoneInfo) -> datetime:
    """The instant of a wall clock, in UTC.

    RFC 5545, 3.3.5: what occurs twice is the first; what does not occur counts with the offset
    before the gap, so 02:30 becomes 03:30.
    """
    return wall.replace(tzinfo=zone, fold=0).astimezone(UTC)


def format_rule(rule: Rule) -> str:
    """As RFC 5545 writes it; `parse_rule` reads it back."""
    parts = [f"FREQ={rule.frequency.value.upper()}", f"INTERVAL={rule.interval}"]
    if rule.weekdays:
        parts.append("BYDAY=" + ",".join(_DAYS[day - 1] for day in sorted(rule.weekdays)))
    if rule.month_day is not None:
        parts.append(f"BYMONTHDAY={rule.month_day}")
    if rule.until is not None:
        parts.append(f"UNTIL={rule.until:%Y%m%d}T235959")
    if rule.count is not None:
        parts.append(f"COUNT={rule.count}")
    return ";".join(parts)


def parse_rule(text: str) -> Rule:
    """What `format_rule` wrote. Raises KeyError or ValueError for anything else."""
    parts = dict(part.split("=", 1) for part in text.split(";"))
    days = parts.get("BYDAY", "")
    until = parts.get("UNTIL")
    return Rule(
        frequency=Frequency(parts["FREQ"].lower()),
        interval=int(parts["INTERVAL"]),
        weekdays=frozenset(_DAYS.index(day) + 1 for day in days.split(",") if day),
        month_day=int(parts["BYMONTHDAY"]) if "BYMONTHDAY" in parts else None,
        until=date(int(until[:4]), int(until[4:6]), int(until[6:8])) if until else None,
        count=int(parts["COUNT"]) if "COUNT" in parts else None,
    )


def occurrences(
    rule: Rule, starts_at: datetime, *, after: datetime | None = None
) -> Iterator[datetime]:
    """The rule's wall clocks from `starts_at` on, in order; only those later than `after`."""
    found = rrule(
        _RRULE[rule.frequency],
        dtstart=starts_at,
        interval=rule.interval,
        byweekday=[weekday(day - 1) for day in sorted(rule.weekdays)] or None,
        bymonthday=rule.month_day,
        until=datetime.combine(rule.until, time.max) if rule.until else None,
        count=rule.count,
    )
    return iter(found) if after is None else iter(found.xafter(after))


def next_occurrence(rule: Rule, starts_at: datetime, *, after: datetime | None) -> datetime | None:
    """The next wall clock after another one (None: the first); None when the rule has ended."""
    return next(occurrences(rule, starts_at, after=after), None)


def upcoming(
    rule: Rule, starts_at: datetime, zone: ZoneInfo, *, now: datetime, limit: int
) -> list[tuple[datetime, datetime]]:
    """The next occurrences after an instant: each as wall clock and as instant."""
    pairs = ((wall, instant_of(wall, zone)) for wall in occurrences(rule, starts_at))
    return list(islice(((wall, at) for wall, at in pairs if at > now), limit))
