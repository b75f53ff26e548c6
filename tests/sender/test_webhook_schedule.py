"""When a webhook is tried again, and who gets the free calls."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from core.domain.ids import TenantId
from core.store.deliveries import DueEndpoint
from sender.notifier.retries import SCHEDULE_SECONDS, next_try
from sender.notifier.shares import Limits, share_out

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
THREE_DAYS = timedelta(days=3)


def schedule(chance: float) -> list[float]:
    """Seconds from the first attempt to each of the following, until it is given up."""
    give_up_at, at, failures, found = NOW + THREE_DAYS, NOW, 0, list[float]()
    while True:
        failures += 1
        following = next_try(failures=failures, now=at, give_up_at=give_up_at, chance=chance)
        if following is None:
            return found
        at = following
        found.append((at - NOW).total_seconds())


def test_without_jitter_the_schedule_is_the_documented_one() -> None:
    waits = [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000, 36_000, 36_000, 36_000, 36_000]
    assert schedule(0.5) == [sum(waits[: n + 1]) for n in range(len(waits))]


@given(st.floats(min_value=0, max_value=1, exclude_max=True))
def test_every_schedule_ends_within_three_days_and_has_a_dozen_tries(chance: float) -> None:
    times = schedule(chance)
    assert times == sorted(times)
    assert times[-1] <= THREE_DAYS.total_seconds()
    assert 9 <= len(times) <= 14


@given(
    st.integers(min_value=1, max_value=40),
    st.floats(min_value=0, max_value=1, exclude_max=True),
    st.none() | st.integers(min_value=0, max_value=10**9),
)
def test_a_wait_is_never_shorter_than_the_schedule_nor_unbounded(
    failures: int, chance: float, retry_after: int | None
) -> None:
    at = next_try(
        failures=failures,
        now=NOW,
        give_up_at=datetime.max.replace(tzinfo=UTC),
        chance=chance,
        retry_after_seconds=retry_after,
    )
    assert at is not None
    wait = (at - NOW).total_seconds()
    base = SCHEDULE_SECONDS[min(failures, 6) - 1]
    assert wait >= max(base * 0.8, min(retry_after or 0, 3_600)) - 1e-6
    assert wait <= max(base * 1.2, min(retry_after or 0, 3_600) * 1.2) + 1e-6


def due(tenant: int, endpoint: int, *, waiting: int = 100, ailing: bool = False) -> DueEndpoint:
    return DueEndpoint(
        tenant_id=TenantId(UUID(int=tenant)),
        endpoint_id=UUID(int=tenant * 1_000 + endpoint),
        is_ailing=ailing,
        waiting=waiting,
        oldest_due_at=NOW,
    )


endpoints = st.lists(
    st.builds(
        due,
        st.integers(1, 6),
        st.integers(1, 4),
        waiting=st.integers(1, 50),
        ailing=st.booleans(),
    ),
    unique_by=lambda each: each.endpoint_id,
    max_size=20,
)


@given(endpoints, st.integers(1, 60), st.integers(1, 20), st.integers(1, 100))
def test_no_share_exceeds_any_limit(
    found: list[DueEndpoint], in_flight: int, endpoint: int, most: int
) -> None:
    limits = Limits(in_flight=in_flight, endpoint=endpoint)
    shares = share_out(found, {}, 0, limits, most=most)
    by_key = {(each.tenant_id, each.endpoint_id): each for each in found}
    assert sum(shares.values()) <= min(in_flight, most)
    assert all(0 < share <= min(endpoint, by_key[key].waiting) for key, share in shares.items())
    for tenant_id in {each.tenant_id for each in found}:
        assert sum(n for key, n in shares.items() if key[0] == tenant_id) <= limits.tenant
    assert sum(n for key, n in shares.items() if by_key[key].is_ailing) <= limits.ailing
    if found:
        assert shares


def test_tenants_take_turns_and_a_large_one_does_not_come_first() -> None:
    found = [due(1, number) for number in range(1, 11)] + [due(2, 1, waiting=3)]
    shares = share_out(found, {}, 0, Limits(in_flight=40, endpoint=4), most=6)
    assert sum(n for key, n in shares.items() if key[0].int == 2) >= 1


def test_endpoints_that_fail_leave_half_to_those_that_do_not() -> None:
    ailing = [due(tenant, 1, ailing=True) for tenant in range(1, 30)]
    limits = Limits(in_flight=20, endpoint=10)
    shares = share_out(ailing, {}, 0, limits, most=100)
    assert sum(shares.values()) == 10
    shares = share_out([*ailing, due(50, 1)], shares, 10, limits, most=100)
    assert {key[0].int: n for key, n in shares.items()} == {50: 10}


def test_calls_under_way_count() -> None:
    one = due(1, 1)
    key = (one.tenant_id, one.endpoint_id)
    limits = Limits(in_flight=40, endpoint=4)
    assert share_out([one], {key: 3}, 0, limits, most=100) == {key: 1}
    assert share_out([one], {key: 4}, 0, limits, most=100) == {}
