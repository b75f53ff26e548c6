"""The error atlas against the list of Meta's codes, written here a second time from Meta's page."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.provider_errors import (
    ATLAS,
    ErrorAction,
    ErrorScope,
    RetryClass,
    classify,
    parse_code,
    wait_before_retry,
)

A, R = ErrorAction, RetryClass

# code or range, retry letter of the facts: R safe, r unsafe, P pause, N never.
CODES = """
0 N
1 r
2 r
3 N
4 R
10 N
17 R
33 N
100 N
104 N
190 N
200-299 N
368 N
613 R
803 N
80007 R
130403 N
130429 R
130472 N
130497 N
131000 r
131005 N
131008 N
131009 N
131014 N
131016 r
131021 N
131026 N
131030 N
131031 N
131037 N
131042 P
131045 N
131047 N
131048 P
131049 N
131050 N
131051 N
131052 N
131053 N
131055 N
131056 R
131057 r
131062 N
131063 N
131064 P
132000 N
132001 N
132005 N
132007 N
132012 N
132015 P
132016 N
132018 N
132068 N
132069 N
133000 N
133004 r
133005 N
133006 N
133008 N
133009 N
133010 N
133015 r
133016 N
134011 N
134100 N
134101 r
134102 N
135000 N
2388019 N
2388039 N
2388040 N
2388047 N
2388072 N
2388073 N
2388293 N
2388299 N
2494100 r
147001-147005 N
"""
LETTERS = {"R": R.SAFE, "r": R.UNSAFE, "P": R.PAUSE, "N": R.NEVER}


def published() -> list[tuple[int, RetryClass]]:
    found: list[tuple[int, RetryClass]] = []
    for line in CODES.split("\n"):
        if line:
            span, letter = line.split()
            first, _, last = span.partition("-")
            codes = range(int(first), int(last or first) + 1)
            found.extend((code, LETTERS[letter]) for code in codes)
    return found


@pytest.mark.parametrize(("code", "retry"), published())
def test_every_published_code_has_a_rule_with_its_retry_class(code: int, retry: RetryClass) -> None:
    rule = classify(code)
    assert rule.known
    assert rule.code == code
    assert rule.retry is retry
    assert rule.billable is False
    assert rule.advice


def test_the_atlas_holds_no_code_that_is_not_published() -> None:
    assert set(ATLAS) == {code for code, _ in published()}


@pytest.mark.parametrize(
    ("code", "action", "scope"),
    [
        (190, A.BREAKER, ErrorScope.ACCOUNT),
        (0, A.BREAKER, ErrorScope.ACCOUNT),
        (10, A.BREAKER, ErrorScope.ACCOUNT),
        (200, A.BREAKER, ErrorScope.ACCOUNT),
        (299, A.BREAKER, ErrorScope.ACCOUNT),
        (368, A.BREAKER, ErrorScope.ACCOUNT),
        (131031, A.PAUSE, ErrorScope.NUMBER),
        (33, A.PAUSE, ErrorScope.NUMBER),
        (131042, A.BREAKER, ErrorScope.ACCOUNT),
        (131048, A.PAUSE, ErrorScope.NUMBER),
        (133010, A.PAUSE, ErrorScope.NUMBER),
        (132001, A.HALT_TEMPLATE, ErrorScope.TEMPLATE),
        (132007, A.HALT_TEMPLATE, ErrorScope.TEMPLATE),
        (132015, A.HALT_TEMPLATE, ErrorScope.TEMPLATE),
        (132016, A.HALT_TEMPLATE, ErrorScope.TEMPLATE),
        (130429, A.DELAY, ErrorScope.NUMBER),
        (4, A.DELAY, ErrorScope.ACCOUNT),
        (17, A.DELAY, ErrorScope.ACCOUNT),
        (613, A.DELAY, ErrorScope.ACCOUNT),
        (80007, A.DELAY, ErrorScope.ACCOUNT),
        (131056, A.DELAY, ErrorScope.RECIPIENT),
        (131057, A.DELAY, ErrorScope.NUMBER),
        (2494100, A.DELAY, ErrorScope.NUMBER),
        (131026, A.SUPPRESS, ErrorScope.RECIPIENT),
        (131050, A.SUPPRESS, ErrorScope.RECIPIENT),
        (131049, A.SUPPRESS, ErrorScope.RECIPIENT),
        (131062, A.SUPPRESS, ErrorScope.RECIPIENT),
        (130472, A.FAIL, ErrorScope.RECIPIENT),
        (130497, A.BLOCK, ErrorScope.ACCOUNT),
        (131063, A.BLOCK, ErrorScope.ACCOUNT),
        (131064, A.BLOCK, ErrorScope.ACCOUNT),
        (131047, A.FAIL, ErrorScope.MESSAGE),
        (132000, A.FAIL, ErrorScope.MESSAGE),
        *((code, A.IN_DOUBT, ErrorScope.MESSAGE) for code in (1, 2, 131000, 131016)),
        (133004, A.IN_DOUBT, ErrorScope.NUMBER),
        (134101, A.IN_DOUBT, ErrorScope.TEMPLATE),
    ],
)
def test_what_is_done_about_the_codes_that_matter(
    code: int, action: ErrorAction, scope: ErrorScope
) -> None:
    rule = classify(code)
    assert (rule.action, rule.scope) == (action, scope)


def test_only_the_stop_of_marketing_writes_an_opt_out() -> None:
    assert [code for code, rule in ATLAS.items() if rule.writes_opt_out] == [131050]


def test_a_person_at_the_marketing_limit_rests_for_a_day() -> None:
    assert (classify(131049).wait_seconds, classify(131049).category) == (86_400, "marketing")


def test_a_person_who_is_not_on_whatsapp_rests_for_a_month() -> None:
    assert (classify(131026).wait_seconds, classify(131026).category) == (30 * 86_400, None)


@pytest.mark.parametrize(
    ("code", "stays"),
    [
        (130429, True),
        (131056, True),
        (131048, True),
        (190, True),
        (132015, True),
        (132001, False),
        (132016, False),
        (131064, True),
        (131063, False),
        (130497, False),
        (131049, False),
        (131026, False),
        (131000, False),
        (100, False),
        (999_999, False),
    ],
)
def test_a_message_stays_queued_only_where_waiting_can_help(code: int, stays: bool) -> None:
    assert classify(code).message_stays_queued is stays


def test_what_may_have_been_processed_never_goes_back_by_itself() -> None:
    for rule in ATLAS.values():
        if rule.action is A.IN_DOUBT:
            assert not rule.message_stays_queued


@given(
    st.integers(-(2**31) + 1, 2**31 - 1).filter(lambda code: code not in ATLAS),
    st.sampled_from([None, 400, 429, 500]),
)
def test_an_unknown_code_fails_alerts_and_never_retries(code: int, status: int | None) -> None:
    rule = classify(code, status)
    assert (rule.action, rule.retry, rule.alerts) == (A.FAIL, R.NEVER, True)
    assert rule.code == code


@pytest.mark.parametrize("status", [None, 200, 400, 403, 429, 500, 503])
def test_the_code_decides_and_not_the_status(status: int | None) -> None:
    assert classify("130429", status).action is A.DELAY
    assert classify(131026, status).action is A.SUPPRESS


@pytest.mark.parametrize(
    ("status", "action"),
    [(429, A.DELAY), (500, A.IN_DOUBT), (503, A.IN_DOUBT), (400, A.FAIL), (None, A.FAIL)],
)
def test_a_refusal_without_a_code_goes_by_its_status(
    status: int | None, action: ErrorAction
) -> None:
    assert classify(None, status).action is action


@pytest.mark.parametrize(
    ("given_code", "number"),
    [
        (132015, 132015),
        ("132015", 132015),
        (" 132015 ", 132015),
        ("", None),
        ("abc", None),
        ("-1", None),
        ("1.0", None),
        ("\uff19", None),
        ("9" * 5000, None),
        (None, None),
        (True, None),
    ],
)
def test_codes_come_as_number_or_numeric_text(
    given_code: int | str | None, number: int | None
) -> None:
    assert parse_code(given_code) == number


def test_waits_grow_as_meta_asks_and_honour_a_longer_retry_after() -> None:
    pair = classify(131056)
    assert [wait_before_retry(pair, tries=tries) for tries in (1, 2, 3, 4)] == [1, 4, 16, 64]
    throttle = classify(130429)
    assert [wait_before_retry(throttle, tries=tries) for tries in (1, 2, 3)] == [1, 2, 4]
    assert wait_before_retry(throttle, tries=1, retry_after_seconds=30) == 30
    assert wait_before_retry(throttle, tries=10_000) == 32
    assert wait_before_retry(classify(131026), tries=1) is None
