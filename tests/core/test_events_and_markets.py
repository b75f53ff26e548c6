"""Facts and their numbers in the lake; markets by prefix and day."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.events import (
    CATEGORY_CODES,
    EVENT_OF_STATE,
    EVENT_TYPE_CODES,
    PRICING_TYPE_CODES,
    Category,
    EventType,
    PricingType,
    category_code,
    event_type_code,
    pricing_type_code,
)
from core.domain.market import MarketMap, MarketRow
from core.domain.message_state import MessageState

# Numbers already written to somebody's lake: a change here would make old files lie.
EVENT_NUMBERS = {
    "planned": 1,
    "excluded": 2,
    "accepted": 3,
    "held": 4,
    "sent": 5,
    "delivered": 6,
    "read": 7,
    "failed": 8,
    "in_doubt": 9,
    "cancelled": 10,
    "expired": 11,
}


def test_the_lake_s_numbers_never_change() -> None:
    assert {word: event_type_code(word) for word in EVENT_NUMBERS} == EVENT_NUMBERS
    assert [category_code(category) for category in Category] == [1, 2, 3, 4, 5]
    assert [pricing_type_code(kind) for kind in PricingType] == [1, 2, 3]


def test_every_word_has_a_number_of_its_own() -> None:
    assert set(EVENT_TYPE_CODES) == set(EventType)
    assert set(CATEGORY_CODES) == set(Category)
    assert set(PRICING_TYPE_CODES) == set(PricingType)
    for codes in (EVENT_TYPE_CODES, CATEGORY_CODES, PRICING_TYPE_CODES):
        assert len(set(codes.values())) == len(codes)
        assert 0 not in codes.values()


def test_unknown_words_are_zero_and_meta_s_spelling_is_ours() -> None:
    assert category_code("authentication-international") == 4
    assert category_code("MARKETING") == 1
    assert category_code("general_purpose_ai") == category_code(None) == category_code("") == 0
    assert pricing_type_code("something_new") == pricing_type_code(None) == 0
    assert event_type_code("claimed") == 0


def test_every_state_but_the_passing_ones_is_a_fact() -> None:
    assert set(MessageState) - set(EVENT_OF_STATE) == {MessageState.QUEUED, MessageState.SENDING}


JULY, OCTOBER = date(2025, 7, 1), date(2026, 10, 1)


def row(
    prefix: str, iso: str, market: str, start: date = JULY, end: date | None = None
) -> MarketRow:
    return MarketRow(calling_prefix=prefix, iso=iso, market=market, valid_from=start, valid_to=end)


MAP = MarketMap(
    [
        row("1", "US", "North America"),
        row("1", "CA", "North America"),
        row("1809", "DO", "Rest of Latin America"),
        row("1242", "BS", "Other"),
        row("55", "BR", "Brazil"),
        row("7", "RU", "Russia"),
        row("77", "KZ", "Russia", JULY, OCTOBER),
        row("77", "KZ", "Kazakhstan", OCTOBER),
        row("94", "LK", "Sri Lanka", OCTOBER),
    ]
)


@pytest.mark.parametrize(
    ("address", "day", "market"),
    [
        ("+5511987654321", OCTOBER, "Brazil"),
        ("+16505551234", OCTOBER, "North America"),
        ("+18095551234", OCTOBER, "Rest of Latin America"),
        ("+12425551234", OCTOBER, "Other"),
        ("+77011234567", date(2026, 9, 30), "Russia"),
        ("+77011234567", OCTOBER, "Kazakhstan"),
        ("+79991234567", OCTOBER, "Russia"),
        ("+94711234567", date(2026, 9, 30), None),
        ("+5511987654321", date(2025, 6, 30), None),
        ("+13405551234", OCTOBER, None),
        ("+999123456", OCTOBER, None),
        ("+", OCTOBER, None),
        ("", OCTOBER, None),
        ("5511987654321", OCTOBER, None),
        ("BR.13491208655302741918", OCTOBER, "Brazil"),
        ("KZ.ENT.1349", date(2026, 9, 30), "Russia"),
        ("XX.1", OCTOBER, None),
    ],
)
def test_the_longest_prefix_of_the_day_decides(address: str, day: date, market: str | None) -> None:
    assert MAP.market_for(address, day) == market


def test_a_country_is_told_only_where_a_prefix_has_one() -> None:
    assert MAP.country_for("+5511987654321", OCTOBER) == "BR"
    assert MAP.country_for("+16505551234", OCTOBER) is None
    assert MAP.country_for("LK.1", OCTOBER) == "LK"


def test_two_markets_for_one_prefix_on_one_day_are_refused() -> None:
    with pytest.raises(ValueError, match="two markets"):
        MarketMap([row("55", "BR", "Brazil"), row("55", "BR", "Other", OCTOBER)])
    MarketMap([row("55", "BR", "Brazil", JULY, OCTOBER), row("55", "BR", "Other", OCTOBER)])


@given(st.text(max_size=20), st.dates())
def test_any_text_has_a_market_or_none(address: str, day: date) -> None:
    assert MAP.market_for(address, day) in {None, *(r.market for r in ROWS)}


ROWS = [
    row("0", "ZZ", market) for market in ("Brazil", "North America", "Russia", "Kazakhstan")
] + [row("0", "ZZ", market) for market in ("Rest of Latin America", "Other", "Sri Lanka")]
