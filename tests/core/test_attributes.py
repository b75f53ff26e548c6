"""Declared attributes: one form for equal values, and a word for what doesn't fit."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.attributes import Attribute, AttributeType, Misfit, MisfitReason, canonical

OPTIONS = ("Gold", "Silver")


def attribute(kind: AttributeType) -> Attribute:
    return Attribute(name="a", type=kind, options=OPTIONS if kind is AttributeType.ENUM else ())


@given(kind=st.sampled_from(AttributeType), value=st.text(max_size=30))
def test_the_form_of_a_form_is_itself(kind: AttributeType, value: str) -> None:
    try:
        once = canonical(attribute(kind), value)
    except Misfit:
        return
    assert canonical(attribute(kind), once) == once


@given(
    value=st.decimals(min_value=-(10**15) + 1, max_value=10**15 - 1, places=6, allow_nan=False),
    zeros=st.integers(0, 3),
)
def test_equal_numbers_have_equal_forms(value: Decimal, zeros: int) -> None:
    text = canonical(attribute(AttributeType.NUMBER), f"{value:f}")
    assert Decimal(text) == value
    shorter = f"{value:f}".rstrip("0").rstrip(".") if zeros else f"{value:f}"
    assert canonical(attribute(AttributeType.NUMBER), shorter) == text
    assert text not in {"-0", ""}


@given(first=st.dates(), second=st.dates())
def test_dates_sort_as_their_forms_do(first: date, second: date) -> None:
    forms = [canonical(attribute(AttributeType.DATE), day.isoformat()) for day in (first, second)]
    assert (forms[0] < forms[1]) is (first < second)


@pytest.mark.parametrize(
    ("kind", "value", "form"),
    [
        ("number", " +0012.50 ", "12.5"),
        ("number", "-0.0", "0"),
        ("number", "100", "100"),
        ("date", "2026-02-28", "2026-02-28"),
        ("boolean", "SIM", "true"),
        ("boolean", "não", "false"),
        ("enum", "gOLD", "Gold"),
        ("text", " as it is ", " as it is "),
    ],
)
def test_values_are_kept_in_one_form(kind: str, value: str, form: str) -> None:
    assert canonical(attribute(AttributeType(kind)), value) == form


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        ("number", "1,5", "bad_number"),
        ("number", "1e5", "bad_number"),
        ("number", "NaN", "bad_number"),
        ("number", "1234567890123456", "bad_number"),
        ("number", "\u0661", "bad_number"),
        ("date", "2026-02-30", "bad_date"),
        ("date", "20260228", "bad_date"),
        ("date", "2026-W09-6", "bad_date"),
        ("boolean", "maybe", "bad_yes_no"),
        ("enum", "bronze", "not_an_option"),
    ],
)
def test_what_does_not_fit_is_refused(kind: str, value: str, reason: str) -> None:
    with pytest.raises(Misfit) as caught:
        canonical(attribute(AttributeType(kind)), value)
    assert caught.value.reason is MisfitReason(reason)
