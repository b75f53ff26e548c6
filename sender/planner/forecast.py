"""The finish time of a plan, and the words for what it depends on. Pure."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from core.domain.canary import read_canary
from core.domain.quiet_hours import QuietHours, choose_rule, is_quiet
from core.store.plans import PlanInputs, Portfolio
from sender.planner.finish_time import HORIZON, Crowd, Room, finish_at

_CAMPAIGN_SHARE: Final = Decimal("0.8")


class Grouped(Protocol):
    """People who are sent to, alike in what a forecast depends on."""

    @property
    def country(self) -> str | None: ...
    @property
    def recipient_timezone(self) -> str | None: ...
    @property
    def in_window(self) -> bool: ...
    @property
    def is_reached(self) -> bool: ...
    @property
    def people(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """From when to when a campaign is sent; an end of None is more than 31 days away."""

    start: datetime
    earliest: datetime | None
    latest: datetime | None
    throughput_per_second: int
    neighbours: int
    words: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """As a part of the plan; seconds are counted from the start of sending."""
        return {
            "messages_per_second": self.throughput_per_second,
            "begins_at": self.start.isoformat(),
            "earliest": self.earliest and self.earliest.isoformat(),
            "latest": self.latest and self.latest.isoformat(),
            "seconds_at_best": self._seconds(self.earliest),
            "seconds_at_worst": self._seconds(self.latest),
            "campaigns_on_the_number": self.neighbours,
            "depends_on": list(self.words),
        }

    def _seconds(self, end: datetime | None) -> int | None:
        return None if end is None else -(-(end - self.start) // timedelta(seconds=1))


def forecast(
    *,
    inputs: PlanInputs,
    sent: Sequence[Grouped],
    portfolio: Portfolio | None,
    rules: Sequence[QuietHours],
    neighbours: int,
) -> Forecast:
    """Between the full rate of the number, and a campaign's share of the rate it has now."""
    granted = max(inputs.granted_per_second * _CAMPAIGN_SHARE / (neighbours + 1), Decimal(1))
    crowds = _crowds(inputs, sent, rules)
    start = min((crowd.begins_at for crowd in crowds), default=inputs.send_at)
    start = max(start, inputs.send_at) if not inputs.local_delivery else start
    room = _room(portfolio)
    best = finish_at(crowds, start=start, per_second=float(inputs.throughput_per_second), room=room)
    worst = finish_at(crowds, start=start, per_second=float(granted), room=room)
    waits = _waits(inputs)
    best, worst = _later(start, best, waits), _later(start, worst, waits)
    return Forecast(
        start=start,
        earliest=best,
        latest=worst,
        throughput_per_second=inputs.throughput_per_second,
        neighbours=neighbours,
        words=tuple(_words(inputs, rules, room, neighbours, worst)),
    )


def _waits(inputs: PlanInputs) -> timedelta:
    """What a canary waits between its waves, at the least."""
    if inputs.canary is None:
        return timedelta()
    canary = read_canary(inputs.canary)
    return canary.wait * (canary.waves - 1)


def _later(start: datetime, end: datetime | None, waits: timedelta) -> datetime | None:
    if end is None or end + waits > start + HORIZON:
        return None
    return end + waits


def _room(portfolio: Portfolio | None) -> Room | None:
    if portfolio is None or portfolio.people_per_day is None:
        return None
    limit = portfolio.people_per_day
    return Room(people_per_day=limit, left_today=max(limit - portfolio.reached, 0))


def _crowds(
    inputs: PlanInputs, sent: Sequence[Grouped], rules: Sequence[QuietHours]
) -> list[Crowd]:
    """People by clock: those of one zone under one rule are one crowd."""
    people: dict[tuple[str, QuietHours | None], list[int]] = defaultdict(lambda: [0, 0])
    for group in sent:
        rule = choose_rule(rules, country=group.country, category=inputs.category)
        zone = group.recipient_timezone or inputs.tenant_timezone
        own_clock = rule is not None or inputs.local_delivery
        counted = people[zone if own_clock else inputs.tenant_timezone, rule]
        counted[0] += group.people
        counted[1] += 0 if group.in_window or group.is_reached else group.people
    return [
        _crowd(inputs, ZoneInfo(zone), rule, *counted)
        for (zone, rule), counted in sorted(people.items(), key=lambda item: item[0][0])
    ]


def _crowd(
    inputs: PlanInputs, zone: ZoneInfo, rule: QuietHours | None, people: int, new_people: int
) -> Crowd:
    begins_at = inputs.send_at
    if inputs.local_delivery and inputs.scheduled_at is not None:
        wall = inputs.scheduled_at.astimezone(ZoneInfo(inputs.tenant_timezone))
        begins_at = wall.replace(tzinfo=zone)
    return Crowd(
        people=people,
        new_people=new_people,
        begins_at=begins_at,
        is_quiet=None if rule is None else lambda at: is_quiet(rule, zone, at),
    )


def _words(
    inputs: PlanInputs,
    rules: Sequence[QuietHours],
    room: Room | None,
    neighbours: int,
    worst: datetime | None,
) -> list[str]:
    """What the finish time depends on, for people."""
    words = ["the number's rate, of which campaigns get four fifths"]
    if neighbours:
        words.append(f"{neighbours} other running campaign(s) on the number")
    if room is not None:
        words.append("the portfolio's limit of people a day")
    if rules:
        words.append("quiet hours, in each person's own time zone")
    if inputs.canary is not None:
        words.append("the waits between the canary's waves, and what its gates see")
    if inputs.local_delivery:
        words.append("delivery by each person's own clock")
    if worst is None:
        words.append(f"at the slowest it takes more than {HORIZON.days} days")
    return words
