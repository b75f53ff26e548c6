"""Local hours and days in which a person is left in peace. Pure; app.quiet_until says the same.

A rule is read on the wall clock of the person. The country decides before the category, and '*' is
any of them. Where clocks are set, a wall clock that occurs twice is read as the later of the two,
one that does not occur as the clock that runs on unchanged (PostgreSQL's `at time zone`): an end
is never too early.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

ANY: Final = "*"
# Nights and quiet days may follow each other; a week holds an open minute, a gap may eat one.
_MAX_STEPS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """One rule: quiet from `starts_at` to `ends_at` (over midnight when later) and on whole days.

    Equal times mean no nightly hours; `quiet_days` are ISO weekdays, Monday 1 to Sunday 7, and
    never all seven. Without either it is an exception: never quiet.
    """

    country: str
    category: str
    starts_at: time
    ends_at: time
    quiet_days: frozenset[int] = frozenset()


def choose_rule(
    rules: Iterable[QuietHours], *, country: str | None, category: str
) -> QuietHours | None:
    """The most exact rule that applies, None when there is none."""
    fitting = [
        rule
        for rule in rules
        if rule.country in (ANY, country) and rule.category in (ANY, category)
    ]
    exactness = [(rule.country != ANY, rule.category != ANY) for rule in fitting]
    return (
        max(zip(exactness, fitting, strict=True), key=lambda pair: pair[0])[1] if fitting else None
    )


def is_quiet(rule: QuietHours, zone: ZoneInfo, at: datetime) -> bool:
    """Whether the wall clock shows quiet at an instant."""
    return _end_of_quiet(rule, at.astimezone(zone).replace(tzinfo=None)) is not None


def quiet_until(rule: QuietHours, zone: ZoneInfo, at: datetime) -> datetime | None:
    """The end of the quiet that holds at an instant, in UTC; None when it is not quiet then."""
    found = at
    for _ in range(_MAX_STEPS):
        end = _end_of_quiet(rule, found.astimezone(zone).replace(tzinfo=None))
        if end is None:
            break
        found = _instant(end, zone)
    return found if found > at else None


def _end_of_quiet(rule: QuietHours, wall: datetime) -> datetime | None:
    """The wall clock at which this quiet ends, None when `wall` is not quiet."""
    midnight = wall.replace(hour=0, minute=0, second=0, microsecond=0)
    clock = wall.time()
    if wall.isoweekday() in rule.quiet_days:
        return midnight + timedelta(days=1)
    end = datetime.combine(midnight, rule.ends_at)
    if rule.starts_at < rule.ends_at:
        return end if rule.starts_at <= clock < rule.ends_at else None
    if rule.starts_at > rule.ends_at and clock >= rule.starts_at:
        return end + timedelta(days=1)
    if rule.starts_at > rule.ends_at and clock < rule.ends_at:
        return end
    return None


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """The later of the two readings of a wall clock: they differ only where clocks are set."""
    return max(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
