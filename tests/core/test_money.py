"""Money: exact until the caller rounds."""

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.money import Money, minor_unit_digits, sum_money, zero


def brl(amount: str) -> Money:
    return Money(amount=Decimal(amount), currency="BRL")


@pytest.mark.parametrize(
    ("amount", "currency", "rounded"),
    [
        ("0.005", "BRL", "0.01"),
        ("-0.005", "BRL", "-0.01"),
        ("2.675", "BRL", "2.68"),
        ("0.0049999", "BRL", "0.00"),
        ("0.5", "JPY", "1"),
        ("-1.5", "JPY", "-2"),
        ("1.2345", "KWD", "1.235"),
        ("1.2344", "KWD", "1.234"),
        ("0.00005", "CLF", "0.0001"),
    ],
)
def test_rounding_is_half_away_from_zero_to_the_currency_s_scale(
    amount: str, currency: str, rounded: str
) -> None:
    money = Money(amount=Decimal(amount), currency=currency).rounded_to_minor_unit()
    assert str(money.amount) == rounded


@pytest.mark.parametrize(("currency", "digits"), [("JPY", 0), ("BRL", 2), ("KWD", 3), ("INR", 2)])
def test_scales_are_those_of_iso_4217(currency: str, digits: int) -> None:
    assert minor_unit_digits(currency) == digits


def test_currencies_never_mix() -> None:
    euro = Money(amount=Decimal(1), currency="EUR")
    with pytest.raises(ValueError, match="can't be combined"):
        brl("1") + euro
    with pytest.raises(ValueError, match="can't be combined"):
        brl("1") - euro
    with pytest.raises(ValueError, match="can't be combined"):
        _ = brl("1") < euro
    with pytest.raises(ValueError, match="can't be combined"):
        sum_money([brl("1"), euro])


@pytest.mark.parametrize("amount", [1.0, 1, "1", None])
def test_only_decimals_are_amounts(amount: object) -> None:
    with pytest.raises(TypeError):
        Money(amount=amount, currency="BRL")  # type: ignore[arg-type]


@pytest.mark.parametrize("factor", [0.1, True, "2"])
def test_only_counts_and_decimals_are_factors(factor: object) -> None:
    with pytest.raises(TypeError):
        _ = brl("1") * factor  # type: ignore[operator]


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_no_money(amount: str) -> None:
    with pytest.raises(ValueError, match="finite"):
        brl(amount)


@pytest.mark.parametrize("currency", ["", "brl", "BR", "BRLX", "Bré"])
def test_a_currency_is_three_capitals(currency: str) -> None:
    with pytest.raises(ValueError, match="three capital"):
        zero(currency)


def test_a_million_rates_are_summed_exactly_whatever_the_context() -> None:
    with localcontext() as context:
        context.prec = 6
        total = brl("0.032170000001") * 1_000_000
        assert total.amount == Decimal("32170.000001")
        assert (total + brl("0.000000000001")).amount == Decimal("32170.000001000001")
        assert (brl("123456789.005")).rounded_to_minor_unit().amount == Decimal("123456789.01")


def test_the_sum_of_nothing_needs_a_currency() -> None:
    assert sum_money([], currency="BRL") == zero("BRL")
    with pytest.raises(ValueError, match="needs a currency"):
        sum_money([])


def test_shares_go_by_largest_remainder_and_ties_to_the_first() -> None:
    shares = brl("100.00").allocate([1, 1, 1])
    assert [str(share.amount) for share in shares] == ["33.34", "33.33", "33.33"]
    shares = brl("1.00").allocate([1, 2])
    assert [str(share.amount) for share in shares] == ["0.33", "0.67"]
    shares = brl("-0.05").allocate([Decimal("0.5"), Decimal("0.5")])
    assert [str(share.amount) for share in shares] == ["-0.03", "-0.02"]


@pytest.mark.parametrize("weights", [[], [0, 0], [1, -1]])
def test_impossible_weights_are_refused(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="weights"):
        brl("1").allocate(weights)


AMOUNTS = st.decimals(min_value=-(10**12), max_value=10**12, places=6)
WEIGHTS = st.lists(
    st.decimals(min_value=0, max_value=10**6, places=4), min_size=1, max_size=12
).filter(any)


@given(AMOUNTS, WEIGHTS, st.sampled_from(["BRL", "JPY", "KWD"]))
def test_shares_sum_exactly_and_none_is_off_by_a_unit(
    amount: Decimal, weights: list[Decimal], currency: str
) -> None:
    money = Money(amount=amount, currency=currency)
    shares = money.allocate(weights)
    rounded = money.rounded_to_minor_unit()
    assert sum_money(shares) == rounded
    unit = Decimal(1).scaleb(-minor_unit_digits(currency))
    with localcontext() as context:
        context.prec = 60
        for share, weight in zip(shares, weights, strict=True):
            exact = rounded.amount * weight / sum(weights)
            assert abs(share.amount - exact) <= unit


@given(st.lists(AMOUNTS, min_size=1, max_size=20))
def test_a_sum_does_not_depend_on_order(amounts: list[Decimal]) -> None:
    monies = [Money(amount=amount, currency="BRL") for amount in amounts]
    assert sum_money(monies) == sum_money(reversed(monies))
    assert sum_money(monies) - sum_money(monies) == zero("BRL")
