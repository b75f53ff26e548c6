"""Quiet hours: the rule, and the SQL function that must say the same."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.domain.ids import new_id
from core.domain.quiet_hours import QuietHours, choose_rule, is_quiet, quiet_until
from core.settings import Settings

ZONES = (
    "America/Sao_Paulo",
    "America/New_York",
    "Europe/Lisbon",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Kiritimati",
    "UTC",
)
#: Both sides of changes of clocks, Brazil's last midnight gap and fold among them.
CHANGES = (
    datetime(2018, 11, 4, 3, tzinfo=UTC),
    datetime(2018, 2, 18, 2, tzinfo=UTC),
    datetime(2026, 3, 8, 7, tzinfo=UTC),
    datetime(2026, 11, 1, 6, tzinfo=UTC),
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
)

clocks = st.builds(time, st.integers(0, 23), st.sampled_from((0, 15, 30, 59)))
rules = st.builds(
    QuietHours,
    country=st.just("*"),
    category=st.just("*"),
    starts_at=clocks,
    ends_at=clocks,
    quiet_days=st.frozensets(st.integers(1, 7), max_size=6),
)
instants = st.one_of(
    st.integers(0, 13 * 366 * 1440).map(
        lambda minutes: datetime(2017, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    ),
    st.builds(
        lambda change, minutes: change + timedelta(minutes=minutes),
        st.sampled_from(CHANGES),
        st.integers(-2_000, 2_000),
    ),
)
zones = st.sampled_from(ZONES).map(ZoneInfo)


@given(rule=rules, zone=zones, at=instants)
@settings(max_examples=400)
def test_the_end_of_quiet_is_later_and_not_quiet(
    rule: QuietHours, zone: ZoneInfo, at: datetime
) -> None:
    until = quiet_until(rule, zone, at)
    assert (until is None) == (not is_quiet(rule, zone, at))
    if until is not None:
        assert until > at
        assert not is_quiet(rule, zone, until)


@given(rule=rules, at=instants)
def test_where_clocks_are_never_set_no_earlier_minute_would_do(
    rule: QuietHours, at: datetime
) -> None:
    zone = ZoneInfo("Asia/Kathmandu")
    until = quiet_until(rule, zone, at)
    if until is not None:
        assert is_quiet(rule, zone, until - timedelta(microseconds=1))


@pytest.mark.parametrize(
    ("wall", "end"),
    [
        ("2026-11-23T21:00", "2026-11-24T08:00"),
        ("2026-11-23T07:59", "2026-11-23T08:00"),
        ("2026-11-23T08:00", None),
        ("2026-11-23T19:59", None),
        # Saturday night runs into the quiet Sunday, and that into Monday's morning.
        ("2026-11-28T22:00", "2026-11-30T08:00"),
        ("2026-11-29T12:00", "2026-11-30T08:00"),
    ],
)
def test_nights_and_sundays_in_sao_paulo(wall: str, end: str | None) -> None:
    zone = ZoneInfo("America/Sao_Paulo")
    rule = QuietHours(
        country="BR",
        category="marketing",
        starts_at=time(20),
        ends_at=time(8),
        quiet_days=frozenset({7}),
    )
    until = quiet_until(rule, zone, datetime.fromisoformat(wall).replace(tzinfo=zone))
    expected = None if end is None else datetime.fromisoformat(end).replace(tzinfo=zone)
    assert until == expected


def test_the_country_decides_before_the_category() -> None:
    def rule(country: str, category: str) -> QuietHours:
        return QuietHours(country=country, category=category, starts_at=time(1), ends_at=time(2))

    every = [rule("*", "*"), rule("*", "marketing"), rule("BR", "*"), rule("BR", "marketing")]
    for left in range(4, 0, -1):
        assert choose_rule(every[:left], country="BR", category="marketing") == every[left - 1]
    assert choose_rule(every, country="PT", category="utility") == every[0]
    assert choose_rule(every[1:], country=None, category="utility") is None


@pytest.fixture
def connection(each_database: Settings) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(each_database.database_url, autocommit=True) as opened:
        yield opened


@pytest.fixture
def tenant_id(connection: psycopg.Connection[tuple[object, ...]]) -> UUID:
    tenant_id = new_id()
    connection.execute(
        "insert into app.tenants (tenant_id, slug, name, timezone, currency, default_region,"
        " pseudonym_key) values (%s, 'quiet', 'Quiet', 'America/Sao_Paulo', 'BRL', 'BR', %s)",
        (tenant_id, bytes(32)),
    )
    return tenant_id


def ask(
    connection: psycopg.Connection[tuple[object, ...]], tenant_id: UUID, *values: object
) -> object:
    row = connection.execute(
        "select app.quiet_until(%s, %s, %s, %s, %s)", (tenant_id, *values)
    ).fetchone()
    assert row is not None
    return row[0]


@given(data=st.data())
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_the_database_says_the_same(
    connection: psycopg.Connection[tuple[object, ...]], tenant_id: UUID, data: st.DataObject
) -> None:
    chosen = data.draw(
        st.lists(
            st.builds(
                QuietHours,
                country=st.sampled_from(("*", "BR", "PT")),
                category=st.sampled_from(("*", "marketing", "utility")),
                starts_at=clocks,
                ends_at=clocks,
                quiet_days=st.frozensets(st.integers(1, 7), max_size=6),
            ),
            max_size=4,
            unique_by=lambda rule: (rule.country, rule.category),
        )
    )
    country = data.draw(st.sampled_from((None, "BR", "PT", "US")))
    category = data.draw(st.sampled_from(("marketing", "utility", "service")))
    zone = data.draw(st.sampled_from((None, *ZONES)))
    at = data.draw(instants)
    connection.execute("delete from app.quiet_hours")
    for rule in chosen:
        connection.execute(
            "insert into app.quiet_hours (tenant_id, country, category, starts_at, ends_at,"
            " quiet_days) values (%s, %s, %s, %s, %s, %s::smallint[])",
            (
                tenant_id,
                rule.country,
                rule.category,
                rule.starts_at,
                rule.ends_at,
                sorted(rule.quiet_days),
            ),
        )
    best = choose_rule(chosen, country=country, category=category)
    clock = ZoneInfo(zone or "America/Sao_Paulo")
    expected = None if best is None else quiet_until(best, clock, at)
    assert ask(connection, tenant_id, country, category, zone, at) == expected


def test_a_zone_that_does_not_exist_is_the_tenants_zone(
    connection: psycopg.Connection[tuple[object, ...]], tenant_id: UUID
) -> None:
    connection.execute(
        "insert into app.quiet_hours (tenant_id, country, category, starts_at, ends_at)"
        " values (%s, '*', '*', '20:00', '08:00')",
        (tenant_id,),
    )
    at = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
    assert ask(connection, tenant_id, "BR", "utility", "Mars/Olympus", at) == datetime(
        2026, 11, 24, 11, tzinfo=UTC
    )
    assert ask(connection, tenant_id, "BR", "utility", "Asia/Kathmandu", at) == datetime(
        2026, 11, 24, 2, 15, tzinfo=UTC
    )


def test_all_seven_days_can_never_be_quiet(
    connection: psycopg.Connection[tuple[object, ...]], tenant_id: UUID
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(
            "insert into app.quiet_hours (tenant_id, country, category, starts_at, ends_at,"
            " quiet_days) values (%s, '*', '*', '20:00', '08:00', '{1,2,3,4,5,6,7}')",
            (tenant_id,),
        )
