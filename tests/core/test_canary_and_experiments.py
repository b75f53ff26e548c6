"""Gates between waves, and shares with honest intervals."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.canary import Canary, Signals, judge_wave, read_canary
from core.domain.experiments import differs, share_of
from core.errors import InvalidInput

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CANARY = Canary(percents=(Decimal(1), Decimal(10), Decimal(100)))


def signals(**changes: object) -> Signals:
    values: dict[str, object] = {
        "released_at": NOW - timedelta(hours=1),
        "open_messages": 0,
        "posted_messages": 120,
        "heard_messages": 110,
        "judged_messages": 100,
        "failed_messages": 0,
        "limited_messages": 0,
        "template_stopped": None,
        "template_quality": "GREEN",
        "number_quality": "GREEN",
    }
    return Signals(**(values | changes))  # type: ignore[arg-type]


def test_a_wave_without_bad_news_opens_the_next_after_the_wait() -> None:
    assert judge_wave(CANARY, signals(), now=NOW).release


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"template_stopped": "PAUSED"}, "the template stopped: PAUSED"),
        ({"template_quality": "RED"}, "the template's quality is RED"),
        ({"number_quality": "RED"}, "the number's quality is RED"),
        ({"limited_messages": 6}, "6.0 % met Meta's per-person limit (131049)"),
        ({"failed_messages": 11}, "11.0 % failed"),
    ],
)
def test_bad_news_stops_at_once_also_before_the_wait_is_over(
    changes: dict[str, object], why: str
) -> None:
    early = signals(**changes, released_at=NOW, open_messages=5)
    assert judge_wave(CANARY, early, now=NOW).stop == why


@pytest.mark.parametrize(
    "changes",
    [
        {"open_messages": 1},
        {"released_at": NOW - timedelta(minutes=14, seconds=59)},
        {"heard_messages": 59, "judged_messages": 0},
        {"heard_messages": 0, "judged_messages": 0, "posted_messages": 1},
    ],
)
def test_good_news_waits(changes: dict[str, object]) -> None:
    verdict = judge_wave(CANARY, signals(**changes), now=NOW)
    assert (verdict.release, verdict.stop) == (False, None)
    assert verdict.waiting_for is not None


def test_a_wave_that_posted_nothing_has_nothing_to_hear_of() -> None:
    quiet = signals(posted_messages=0, heard_messages=0, judged_messages=0)
    assert judge_wave(CANARY, quiet, now=NOW).release


def test_some_failures_of_a_tiny_wave_say_nothing_unless_all_failed() -> None:
    assert judge_wave(CANARY, signals(judged_messages=19, failed_messages=18), now=NOW).release
    assert judge_wave(CANARY, signals(judged_messages=19, failed_messages=19), now=NOW).stop
    assert judge_wave(CANARY, signals(judged_messages=3, failed_messages=3), now=NOW).stop
    assert judge_wave(CANARY, signals(judged_messages=2, failed_messages=2), now=NOW).release
    assert judge_wave(CANARY, signals(judged_messages=0, failed_messages=0), now=NOW).release
    assert judge_wave(CANARY, signals(judged_messages=20, failed_messages=19), now=NOW).stop


@pytest.mark.parametrize(
    "values",
    [
        {"percents": ["100"]},
        {"percents": ["10", "1", "100"]},
        {"percents": ["1", "10"]},
        {"percents": ["0", "100"]},
        {"percents": ["1", "NaN", "100"]},
        {"percents": ["1", "1", "100"]},
        {"percents": "1,10,100"},
        {"percents": ["1", "100"], "wait_minutes": -1},
        {"percents": ["1", "100"], "max_failed_percent": "101"},
        {},
    ],
)
def test_a_canary_that_makes_no_sense_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        read_canary(values)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_its_share_and_stays_within_nothing_and_all(
    pair: tuple[int, int],
) -> None:
    share = share_of(*pair)
    assert 0.0 <= share.low <= share.value <= share.high <= 1.0


def test_the_interval_is_wilson_s() -> None:
    # 10 of 100: Wilson 95 % is 5.52 % to 17.44 % (any statistics table).
    share = share_of(10, 100)
    assert (round(share.low, 4), round(share.high, 4)) == (0.0552, 0.1744)


def test_arms_differ_only_when_chance_is_an_unlikely_reason() -> None:
    assert differs(share_of(200, 1_000), share_of(260, 1_000))
    assert not differs(share_of(20, 100), share_of(26, 100))
    assert not differs(share_of(0, 100), share_of(0, 100))
    assert not differs(share_of(0, 0), share_of(5, 10))
