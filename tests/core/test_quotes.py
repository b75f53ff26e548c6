"""What messages cost, in the form that people read."""

from datetime import date
from decimal import Decimal

import pytest

from core.domain.quotes import Policy, Portion, Prices, quote


@pytest.mark.parametrize(
    ("rate", "shown"),
    [("60", "60"), ("0.0350", "0.035"), ("586.330000", "586.33"), ("100.0", "100")],
)
def test_a_rate_is_a_plain_number_without_idle_zeros(rate: str, shown: str) -> None:
    prices = Prices(
        currency="JPY",
        category="marketing",
        on_day=date(2026, 11, 24),
        rates={("Japan", "marketing"): Decimal(rate)},
        policies={
            "regular": Policy(pricing_type="regular", charged=True, rate_category="marketing")
        },
    )
    found = quote([Portion(market="Japan", in_window=False, messages=2)], prices)
    lines: list[dict[str, object]] = found["lines"]  # type: ignore[assignment]
    assert [line["rate"] for line in lines] == [shown]
    assert Decimal(str(found["total"])) == Decimal(rate) * 2
