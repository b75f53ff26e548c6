"""Rules that repeat on a wall clock, and the instants that wall clocks mean."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.domain.schedules import (
    Frequency,
    Rule,
    format_rule,
    instant_of,
    next_occurrence,
    occurrences,
    parse_rule,
    upcoming,
)

#: Sao Paulo set its clocks at midnight until 2019; Lord Howe sets them by half an hour.
ZONES = (
    "America/Sao_Paulo",
    "Europe/Lisbon",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
)
#: Days on which a zone above set its clocks: gaps and folds.
CHANGES = (
    date(2018, 11, 4),
    date(2018, 2, 17),
    date(2026, 3, 8),
    date(2026, 11, 1),
    date(2026, 3, 29),
    date(2026, 10, 25),
    date(2026, 10, 4),
    date(2026, 4, 5),
)
MANY = 40

zones = st.sampled_from(ZONES).map(ZoneInfo)
days = st.one_of(
    st.dates(date(2016, 1, 1), date(2030, 1, 1)),
    st.builds(
        lambda day, off: day + timedelta(days=off), st.sampled_from(CHANGES), st.integers(-20, 1)
    ),
)
clocks = st.builds(time, st.integers(0, 23), st.integers(0, 59))
starts = st.builds(datetime.combine, days, clocks)
daily = st.builds(Rule, frequency=st.just(Frequency.DAILY), interval=st.integers(1, 40))
weekly = st.builds(
    Rule,
    frequency=st.just(Frequency.WEEKLY),
    interval=st.integers(1, 6),
    weekdays=st.frozensets(st.integers(1, 7)),
)
monthly = st.builds(
    Rule,
    frequency=st.just(Frequency.MONTHLY),
    interval=st.integers(1, 5),
    month_day=st.none() | st.just(-1) | st.integers(1, 31),
)
endless = st.one_of(daily, weekly, monthly)


def ended(rule: Rule, starts_at: datetime, count: int | None, days_on: int | None) -> Rule:
    until = None if days_on is None else (starts_at + timedelta(days=days_on)).date()
    return Rule(
        frequency=rule.frequency,
        interval=rule.interval,
        weekdays=rule.weekdays,
        month_day=rule.month_day,
        count=count,
        until=until,
    )


@given(rule=endless, starts_at=starts, count=st.none() | st.integers(1, 1000))
def test_a_rule_is_read_back_as_it_was_written(
    rule: Rule, starts_at: datetime, count: int | None
) -> None:
    for one in (rule, ended(rule, starts_at, count, None), ended(rule, starts_at, None, 100)):
        assert parse_rule(format_rule(one)) == one


@given(rule=endless, starts_at=starts, zone=zones)
@settings(max_examples=100)
def test_occurrences_keep_their_wall_clock_and_never_repeat_or_go_back(
    rule: Rule, starts_at: datetime, zone: ZoneInfo
) -> None:
    walls = list(islice(occurrences(rule, starts_at), MANY))
    assert all(wall.time() == starts_at.time() and wall >= starts_at for wall in walls)
    assert all(one < other for one, other in pairwise(walls))
    instants = [instant_of(wall, zone) for wall in walls]
    assert all(one < other for one, other in pairwise(instants))


@given(wall=starts, zone=zones)
@settings(max_examples=200)
def test_an_instant_reads_as_its_wall_clock_or_as_the_clock_after_the_gap(
    wall: datetime, zone: ZoneInfo
) -> None:
    at = instant_of(wall, zone)
    read = at.astimezone(zone)
    shown = read.replace(tzinfo=None)
    if shown == wall:
        # Of two instants with this clock it is the first.
        assert read.fold == 0
        return
    # The clock did not occur: the gap's length later, as the clock would read on without it.
    gap = shown - wall
    assert timedelta() < gap <= timedelta(hours=1)
    offset = (at - timedelta(hours=6)).astimezone(zone).utcoffset()
    assert offset is not None
    assert at == (wall - offset).replace(tzinfo=UTC)


@given(
    rule=endless,
    starts_at=starts,
    count=st.integers(1, 30),
    days_on=st.integers(0, 400),
)
def test_a_count_and_an_end_are_honoured(
    rule: Rule, starts_at: datetime, count: int, days_on: int
) -> None:
    whole = list(islice(occurrences(rule, starts_at), 500))
    counted = ended(rule, starts_at, count, None)
    assert list(occurrences(counted, starts_at)) == whole[:count]
    dated = ended(rule, starts_at, None, days_on)
    assert dated.until is not None
    assert list(occurrences(dated, starts_at)) == [
        wall for wall in whole if wall.date() <= dated.until
    ]


@given(starts_at=starts, interval=st.sampled_from((1, 2, 3, 5)))
def test_monthly_on_the_31st_leaves_short_months_out_and_the_last_day_none(
    starts_at: datetime, interval: int
) -> None:
    month = Rule(frequency=Frequency.MONTHLY, interval=interval, month_day=31)
    long = list(islice(occurrences(month, starts_at), 12))
    assert {wall.day for wall in long} == {31}
    assert {wall.month for wall in long} <= {1, 3, 5, 7, 8, 10, 12}
    last = Rule(frequency=Frequency.MONTHLY, interval=1, month_day=-1)
    walls = list(islice(occurrences(last, starts_at), 24))
    assert all((wall + timedelta(days=1)).day == 1 for wall in walls)
    months = [wall.year * 12 + wall.month for wall in walls]
    assert months == list(range(months[0], months[0] + 24))


@given(
    rule=endless,
    starts_at=starts,
    zone=zones,
    resumed=st.integers(0, MANY - 2),
    count=st.none() | st.integers(1, MANY),
    seconds=st.integers(-5, 5),
)
@settings(max_examples=100)
def test_from_whatever_instant_it_is_resumed_the_tail_is_the_same(
    rule: Rule,
    starts_at: datetime,
    zone: ZoneInfo,
    resumed: int,
    count: int | None,
    seconds: int,
) -> None:
    one = ended(rule, starts_at, count, None)
    walls = list(islice(occurrences(one, starts_at), MANY))
    assume(resumed < len(walls))
    # One step at a time, as the scheduler goes.
    wall = next_occurrence(one, starts_at, after=None)
    found: list[datetime] = []
    while wall is not None and len(found) < MANY:
        found.append(wall)
        wall = next_occurrence(one, starts_at, after=wall)
    assert found == walls
    # From an instant, as a resumed or changed series goes.
    now = instant_of(walls[resumed], zone) + timedelta(seconds=seconds)
    pairs = [(wall, instant_of(wall, zone)) for wall in walls]
    ahead = [(wall, at) for wall, at in pairs if at > now]
    assert upcoming(one, starts_at, zone, now=now, limit=len(ahead)) == ahead


def test_clocks_that_do_not_occur_and_that_occur_twice() -> None:
    cases = {
        # Brazil's last midnight gap, and the fold that ended it.
        ("America/Sao_Paulo", "2018-11-04T00:30"): "2018-11-04T03:30+00:00",
        ("America/Sao_Paulo", "2019-02-16T23:30"): "2019-02-17T01:30+00:00",
        ("Europe/Lisbon", "2026-03-29T01:30"): "2026-03-29T01:30+00:00",
        ("Europe/Lisbon", "2026-10-25T01:30"): "2026-10-25T00:30+00:00",
        ("America/New_York", "2026-03-08T02:30"): "2026-03-08T07:30+00:00",
        ("America/New_York", "2026-11-01T01:30"): "2026-11-01T05:30+00:00",
        ("Australia/Lord_Howe", "2026-10-04T02:15"): "2026-10-03T15:45+00:00",
        ("Australia/Lord_Howe", "2026-04-05T01:45"): "2026-04-04T14:45+00:00",
        ("Asia/Kolkata", "2026-03-29T02:30"): "2026-03-28T21:00+00:00",
    }
    for (zone, wall), at in cases.items():
        found = instant_of(datetime.fromisoformat(wall), ZoneInfo(zone))
        assert found == datetime.fromisoformat(at), (zone, wall)
