from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from core.domain.ids import TenantId, new_id
from core.dsn import DatabaseRole
from core.errors import Conflict, InvalidInput, NotFound
from core.settings import Settings
from core.store import price_plans, rate_cards

HEADER = "market,country_codes,currency,category,tier_from,tier_to,rate,effective_from,source\n"


@pytest.fixture
def operator(database: Settings) -> Iterator[rate_cards.Connection]:
    with psycopg.connect(database.dsn(DatabaseRole.OPERATOR)) as connection:
        yield connection


def _card(folder: Path, *lines: str) -> Path:
    path = folder / f"card-{len(list(folder.iterdir()))}.csv"
    path.write_text(HEADER + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def _line(rate: str, day: str, *, category: str = "marketing", tier: str = "1,") -> str:
    return f"Brazil,BR,USD,{category},{tier},{rate},{day},test"


def _rate(connection: rate_cards.Connection, day: date, category: str = "marketing") -> object:
    row = connection.execute(
        "select rate from billing.meta_rates where market = 'Brazil' and currency = 'USD' "
        "and category = %s and tier_from = 1 and valid @> %s",
        (category, day),
    ).fetchone()
    return None if row is None else row[0]


def test_same_bytes_are_imported_once(operator: rate_cards.Connection, tmp_path: Path) -> None:
    card = _card(tmp_path, _line("0.05", "2026-01-01"))
    first, again = (rate_cards.import_rates(operator, card) for _ in range(2))
    assert (first.rows_added, first.known) == (1, False)
    assert (again.rows_added, again.known) == (0, True)


def test_rate_is_valid_until_the_next_card_whatever_the_order_of_import(
    operator: rate_cards.Connection, tmp_path: Path
) -> None:
    for rate, day in (("0.05", "2026-01-01"), ("0.09", "2026-10-01"), ("0.07", "2026-07-01")):
        rate_cards.import_rates(operator, _card(tmp_path, _line(rate, day)))
    days = {
        date(2025, 12, 31): None,
        date(2026, 1, 1): Decimal("0.05"),
        date(2026, 6, 30): Decimal("0.05"),
        date(2026, 7, 1): Decimal("0.07"),
        date(2026, 9, 30): Decimal("0.07"),
        date(2026, 10, 1): Decimal("0.09"),
        date(2027, 1, 1): Decimal("0.09"),
    }
    assert {day: _rate(operator, day) for day in days} == days


def test_new_card_of_one_category_leaves_the_others_alone(
    operator: rate_cards.Connection, tmp_path: Path
) -> None:
    rate_cards.import_rates(
        operator,
        _card(tmp_path, _line("1", "2026-01-01"), _line("2", "2026-01-01", category="utility")),
    )
    rate_cards.import_rates(operator, _card(tmp_path, _line("3", "2026-07-01")))
    assert _rate(operator, date(2026, 8, 1), "utility") == Decimal(2)


def test_file_that_contradicts_a_known_rate_changes_nothing(
    operator: rate_cards.Connection, tmp_path: Path
) -> None:
    rate_cards.import_rates(operator, _card(tmp_path, _line("0.05", "2026-01-01")))
    liar = _card(
        tmp_path, _line("0.06", "2026-01-01"), _line("1", "2026-01-01", category="utility")
    )
    with pytest.raises(Conflict, match=r"is 0\.050000000000, the file says 0\.06"):
        rate_cards.import_rates(operator, liar)
    assert _rate(operator, date(2026, 2, 1)) == Decimal("0.05")
    assert _rate(operator, date(2026, 2, 1), "utility") is None


def test_overlapping_tiers_are_refused(operator: rate_cards.Connection, tmp_path: Path) -> None:
    card = _card(
        tmp_path,
        _line("0.05", "2026-01-01", tier="1,1000"),
        _line("0.04", "2026-01-01", tier="1000,"),
    )
    with pytest.raises(Conflict, match="two rates"):
        rate_cards.import_rates(operator, card)


def test_line_that_cannot_be_read_is_named(operator: rate_cards.Connection, tmp_path: Path) -> None:
    card = _card(tmp_path, _line("0.05", "2026-01-01"), _line("cheap", "2026-01-01"))
    with pytest.raises(InvalidInput, match="line 3"):
        rate_cards.import_rates(operator, card)


def test_shipped_cards_give_each_market_one_list_rate_a_day(
    operator: rate_cards.Connection,
) -> None:
    files = rate_cards.import_shipped(operator)
    assert [file.rows_added == file.rows_read for file in files] == [True, True]
    assert all(file.known for file in rate_cards.import_shipped(operator))
    assert _rate(operator, date(2026, 11, 1)) == Decimal("0.0625")
    # A card without October rows for Brazil in reais must not gain any.
    row = operator.execute(
        "select rate from billing.meta_rates where market = 'Brazil' and currency = 'BRL' "
        "and category = 'marketing' and valid @> date '2026-11-01'"
    ).fetchone()
    assert row == (Decimal("0.3217"),)


@pytest.mark.parametrize(
    ("category", "pricing_type", "day", "charged", "quota"),
    [
        ("utility", "free_customer_service", date(2026, 9, 30), False, 0),
        ("utility", "free_customer_service", date(2026, 10, 1), True, 0),
        ("service", "regular", date(2026, 9, 30), False, 0),
        ("service", "regular", date(2026, 10, 1), True, 1000),
        ("marketing", "regular", date(2026, 9, 30), True, 0),
        ("marketing", "free_entry_point", date(2026, 10, 1), False, 0),
        ("authentication", "regular", date(2026, 10, 1), True, 0),
    ],
)
def test_regime_changes_on_the_first_of_october_2026(
    operator: rate_cards.Connection,
    category: str,
    pricing_type: str,
    day: date,
    charged: bool,
    quota: int,
) -> None:
    rate_cards.seed_policies(operator)
    assert rate_cards.seed_policies(operator) == 0
    rows = operator.execute(
        "select charged, free_quota_per_number_month from billing.meta_policies "
        "where category = %s and pricing_type = %s and valid @> %s",
        (category, pricing_type, day),
    ).fetchall()
    assert rows == [(charged, quota)]


def _tenant(connection: rate_cards.Connection) -> TenantId:
    tenant_id = TenantId(new_id())
    connection.execute(
        "insert into app.tenants (tenant_id, slug, name, timezone, currency, default_region, "
        "pseudonym_key) values (%s, 'padaria', 'Padaria', 'America/Sao_Paulo', 'BRL', 'BR', %s)",
        (tenant_id, bytes(32)),
    )
    return tenant_id


def test_example_plans_are_stored_once_and_never_changed(
    operator: rate_cards.Connection,
) -> None:
    assert price_plans.seed_examples(operator) == ["start-brl", "growth-eur", "cost-plus-inr"]
    assert price_plans.seed_examples(operator) == []


def test_tenant_has_one_plan_a_day(operator: rate_cards.Connection) -> None:
    price_plans.seed_examples(operator)
    tenant_id = _tenant(operator)
    first = price_plans.subscribe(
        operator, tenant_id=tenant_id, plan_code="start-brl", valid_from=date(2026, 11, 1)
    )
    again = price_plans.subscribe(
        operator, tenant_id=tenant_id, plan_code="start-brl", valid_from=date(2026, 11, 1)
    )
    assert first == again
    with pytest.raises(Conflict, match="another plan"):
        price_plans.subscribe(
            operator, tenant_id=tenant_id, plan_code="growth-eur", valid_from=date(2026, 11, 2)
        )
    with pytest.raises(NotFound, match="carteiro plans seed"):
        price_plans.subscribe(
            operator, tenant_id=tenant_id, plan_code="gold", valid_from=date(2026, 11, 2)
        )
