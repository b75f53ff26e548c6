"""The rating functions of the warehouse against an oracle that knows nothing of SQL."""

import json
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.settings import Settings
from core.store.warehouse import prepare_warehouse, warehouse_dsn
from tests.support.data_path import run_dbt
from tests.support.databases import DatabaseServer

pytestmark = [pytest.mark.xdist_group("data"), pytest.mark.timeout(300)]

SCALES = {"BRL": 2, "EUR": 2, "INR": 2, "JPY": 0, "KWD": 3, "CLP": 0, "USD": 2}
Connection = psycopg.Connection[tuple[object, ...]]
_MANY = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def rating(
    embedded_server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Connection]:
    from core.store import migrate

    target = str(tmp_path_factory.mktemp("rating") / "target")
    with embedded_server.migrated_database() as fresh:
        configured: Settings = fresh
        migrate.bootstrap(configured)
        prepare_warehouse(configured)
        run_dbt(configured, "build", "--select", "resource_type:function", target=target)
        with psycopg.connect(warehouse_dsn(configured), autocommit=True) as connection:
            yield connection


def _round(amount: Decimal, currency: str) -> Decimal:
    """Half away from zero; ROUND_HALF_UP of Python does that for both signs."""
    return amount.quantize(Decimal(1).scaleb(-SCALES[currency]), rounding=ROUND_HALF_UP)


def _tiered(quantity: int, tiers: list[tuple[int | None, Decimal]]) -> Decimal:
    """Unit by unit would be the definition; block by block is the same."""
    total, above = Decimal(0), 0
    for up_to, unit in tiers:
        last = quantity if up_to is None else min(up_to, quantity)
        if last > above:
            total += (last - above) * unit
        above = up_to if up_to is not None else above
    return total


def _jsonb(tiers: list[tuple[int | None, Decimal]]) -> str:
    return json.dumps([{"up_to": up_to, "unit": str(unit)} for up_to, unit in tiers])


prices = st.decimals(min_value=0, max_value=10, places=6)
currencies = st.sampled_from(sorted(SCALES))


@st.composite
def tier_lists(draw: st.DrawFn) -> list[tuple[int | None, Decimal]]:
    bounds = sorted(draw(st.sets(st.integers(1, 5000), max_size=4)))
    return [(bound, draw(prices)) for bound in bounds] + [(None, draw(prices))]


def _line(connection: Connection, *arguments: object) -> Decimal:
    row = connection.execute(
        "select rating.line_amount(%s, %s::numeric, %s::jsonb, %s::numeric, %s::numeric, %s)",
        arguments,
    ).fetchone()
    assert row is not None
    return Decimal(str(row[0]))


@_MANY
@given(quantity=st.integers(0, 20_000), tiers=tier_lists(), currency=currencies)
def test_graduated_line_is_what_the_oracle_says(
    rating: Connection, quantity: int, tiers: list[tuple[int | None, Decimal]], currency: str
) -> None:
    expected = _round(_tiered(quantity, tiers), currency)
    assert _line(rating, "graduated", quantity, _jsonb(tiers), None, 0, currency) == expected


@_MANY
@given(quantity=st.integers(0, 1_000_000), unit=prices, currency=currencies)
def test_per_unit_line_is_quantity_times_price_rounded_once(
    rating: Connection, quantity: int, unit: Decimal, currency: str
) -> None:
    expected = _round(quantity * unit, currency)
    assert (
        _line(rating, "per_unit", quantity, _jsonb([(None, unit)]), None, 0, currency) == expected
    )


@_MANY
@given(
    cost=st.decimals(min_value=0, max_value=100_000, places=4),
    percent=st.decimals(min_value=0, max_value=100, places=4),
    currency=currencies,
)
def test_cost_plus_line_is_the_cost_and_its_percentage_rounded_once(
    rating: Connection, cost: Decimal, percent: Decimal, currency: str
) -> None:
    expected = _round(cost * (100 + percent) / 100, currency)
    assert _line(rating, "cost_plus", 1, "[]", percent, cost, currency) == expected


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        ("0.005", "BRL", "0.01"),
        ("0.015", "EUR", "0.02"),
        ("0.025", "EUR", "0.03"),
        ("-0.005", "BRL", "-0.01"),
        ("-2.675", "USD", "-2.68"),
        ("2.4999", "JPY", "2"),
        ("2.5", "JPY", "3"),
        ("1.0005", "KWD", "1.001"),
    ],
)
def test_money_is_rounded_half_away_from_zero_to_the_minor_unit(
    rating: Connection, amount: str, currency: str, expected: str
) -> None:
    row = rating.execute(
        "select rating.round_money(%s::numeric, %s)", (amount, currency)
    ).fetchone()
    assert row is not None
    assert Decimal(str(row[0])) == Decimal(expected)


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [(0, "0"), (1000, "89"), (1001, "89.082"), (5000, "417"), (5001, "417.0755")],
)
def test_upper_bound_of_a_tier_belongs_to_the_tier(
    rating: Connection, quantity: int, expected: str
) -> None:
    tiers = [(1000, Decimal("0.089")), (5000, Decimal("0.082")), (None, Decimal("0.0755"))]
    row = rating.execute(
        "select rating.tier_amount(%s::numeric, %s::jsonb)", (quantity, _jsonb(tiers))
    ).fetchone()
    assert row is not None
    assert Decimal(str(row[0])) == Decimal(expected)


@_MANY
@given(
    amount=st.decimals(min_value=0, max_value=10_000, places=2),
    days=st.integers(28, 31).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))),
    currency=currencies,
)
def test_prorated_amount_is_one_fraction_rounded_once(
    rating: Connection, amount: Decimal, days: tuple[int, int], currency: str
) -> None:
    used, period = days
    row = rating.execute(
        "select rating.prorated_amount(%s::numeric, %s, %s, %s)", (amount, used, period, currency)
    ).fetchone()
    assert row is not None
    assert Decimal(str(row[0])) == _round(amount * used / period, currency)


def test_currency_scales_are_those_of_the_money_type(rating: Connection) -> None:
    from core.domain.money import Money

    for currency in ("BRL", "JPY", "KWD", "CLP", "USD", "EUR", "INR", "TND", "ISK", "CLF"):
        row = rating.execute(
            "select rating.round_money(1.23456::numeric, %s)", (currency,)
        ).fetchone()
        assert row is not None
        rounded = Money(amount=Decimal("1.23456"), currency=currency).rounded_to_minor_unit()
        assert Decimal(str(row[0])) == rounded.amount, currency
