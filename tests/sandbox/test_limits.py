import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.limits import PAIR_BURST, PAIR_INTERVAL_SECONDS, PairLimiter, TokenBucket
from tests.support.sandboxes import quick_config, running_sandbox

GAPS = st.lists(st.floats(min_value=0, max_value=3, allow_nan=False), min_size=1, max_size=300)


@given(gaps=GAPS, rate=st.sampled_from([1, 20, 80, 1000]), burst=st.floats(0.1, 2))
def test_bucket_never_lets_more_through_than_burst_plus_rate_times_time(
    gaps: list[float], rate: int, burst: float
) -> None:
    capacity = rate * burst
    bucket = TokenBucket(rate=rate, capacity=capacity, now=0)
    now, taken = 0.0, []
    for gap in gaps:
        now += gap
        if bucket.take(now):
            taken.append(now)

    for first in range(len(taken)):
        for last in range(first, min(first + 50, len(taken))):
            span = taken[last] - taken[first]
            assert last - first + 1 <= max(1.0, capacity) + rate * span + 1e-6


@given(rate=st.sampled_from([20, 80, 1000]), seconds=st.integers(1, 20))
def test_bucket_sustains_its_whole_rate(rate: int, seconds: int) -> None:
    bucket = TokenBucket(rate=rate, capacity=1, now=0)

    # A hair over one interval apart, because a float sum may fall short of a whole token.
    allowed = sum(bucket.take(i / rate * (1 + 1e-9)) for i in range(rate * seconds))

    assert allowed == rate * seconds


def test_bucket_ignores_a_clock_that_goes_back() -> None:
    bucket = TokenBucket(rate=1, capacity=1, now=100)
    assert bucket.take(100)

    assert not bucket.take(50)
    assert not bucket.take(100.5)
    assert bucket.take(101)


def test_twenty_at_once_cost_the_pair_two_minutes() -> None:
    pairs = PairLimiter()
    burst = [pairs.take(("number", "user"), 0.0) for _ in range(20)]

    assert all(burst)
    assert not pairs.take(("number", "user"), 119.9)
    assert pairs.take(("number", "user"), 120.0)


def test_pair_burst_ends_at_45_and_leaves_other_pairs_alone() -> None:
    pairs = PairLimiter()
    allowed = [pairs.take(("number", "user"), 0.1) for _ in range(60)]

    assert sum(allowed) == PAIR_BURST
    assert pairs.take(("number", "other"), 0.1)


@given(gaps=st.lists(st.floats(0, 30, allow_nan=False), min_size=1, max_size=200))
def test_pair_never_exceeds_its_rate_by_more_than_one_burst(gaps: list[float]) -> None:
    pairs = PairLimiter()
    now, allowed = 0.0, 0
    for gap in gaps:
        now += gap
        allowed += pairs.take(("number", "user"), now)

    assert allowed <= now / PAIR_INTERVAL_SECONDS + PAIR_BURST


@pytest.mark.parametrize("to", ["+5511955550123", "+55 11 95555-0123"])
def test_pair_limit_answers_131056_for_the_same_user(to: str) -> None:
    with running_sandbox(quick_config()) as sandbox:
        answers = [sandbox.send_template().status_code for _ in range(PAIR_BURST)]
        refused = sandbox.send_template(to).json()["error"]["code"]
        other = sandbox.send_template("+5511955550124").status_code

    assert set(answers) == {200}
    assert (refused, other) == (131056, 200)


def test_number_over_its_throughput_answers_130429_and_accepts_nothing() -> None:
    config = quick_config(limits={"throughput_burst_seconds": 0.05})
    config.wabas[0].numbers[0].throughput_mps = 20
    with running_sandbox(config) as sandbox:
        answers = [sandbox.send_template(f"+55119555501{i:02d}") for i in range(30)]
        summary = sandbox.summary()

    refused = [a.json()["error"]["code"] for a in answers if a.status_code != 200]
    assert set(refused) == {130429}
    assert summary["accepted_total"] == 30 - len(refused)
    assert summary["refused_by_code"] == {"130429": len(refused)}
