"""How long Meta asks us to wait, read from headers that nobody promised."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.whatsapp.call_limits import USAGE_HEADER, asked_wait
from sandbox.answers import usage


@pytest.mark.parametrize("code", [4, 17, 613, 80007])
def test_a_call_limit_tells_the_minutes_until_calls_are_taken_again(code: int) -> None:
    assert asked_wait({USAGE_HEADER: usage("102", 7).decode()}, code) == 420


def test_the_longest_of_several_uses_counts_and_no_wait_is_longer_than_a_day() -> None:
    uses = {
        "1": [{"estimated_time_to_regain_access": 3}, {"estimated_time_to_regain_access": 9}],
        "2": [{"estimated_time_to_regain_access": 5}],
    }
    assert asked_wait({USAGE_HEADER: json.dumps(uses)}, 4) == 540
    uses["2"][0]["estimated_time_to_regain_access"] = 10**9
    assert asked_wait({USAGE_HEADER: json.dumps(uses)}, 4) == 86_400


def test_the_longer_of_both_headers_counts() -> None:
    seven_minutes = {USAGE_HEADER: usage("102", 7).decode()}
    assert asked_wait({**seven_minutes, "Retry-After": "30"}, 80007) == 420
    assert asked_wait({**seven_minutes, "Retry-After": "900"}, 80007) == 900


def test_a_usage_header_says_nothing_about_another_refusal() -> None:
    assert asked_wait({USAGE_HEADER: usage("102", 7).decode()}, 131056) is None
    assert asked_wait({USAGE_HEADER: usage("102", 0).decode()}, 80007) is None


@given(value=st.text(max_size=200), retry_after=st.text(max_size=20))
def test_a_header_that_cannot_be_read_asks_for_nothing_and_never_fails(
    value: str, retry_after: str
) -> None:
    wait = asked_wait({USAGE_HEADER: value, "Retry-After": f"x{retry_after}"}, 80007)
    assert wait is None


@pytest.mark.parametrize(
    "value",
    [
        "[]",
        "7",
        '{"1": 7}',
        '{"1": [7]}',
        '{"1": [{"estimated_time_to_regain_access": "7"}]}',
        '{"1": [{"estimated_time_to_regain_access": true}]}',
        '{"1": [{"estimated_time_to_regain_access": -7}]}',
        "[" * 5_000,
    ],
)
def test_a_header_of_another_shape_asks_for_nothing(value: str) -> None:
    assert asked_wait({USAGE_HEADER: value}, 80007) is None
