"""Meta's prices of a day, for whoever must say what messages will cost: planner, scheduler, API."""

from datetime import date
from decimal import Decimal

from psycopg.rows import class_row

from core.domain.quotes import Policy, Prices
from core.store.database import Connection
from core.store.queries import load

_SQL = load("prices")


async def read_prices(
    connection: Connection, *, currency: str, category: str, on_day: date
) -> Prices:
    """Meta's rates and policies of a day of the account, for one category."""
    return Prices(
        currency=currency,
        category=category,
        on_day=on_day,
        rates=await _rates(connection, currency, on_day),
        policies=await _policies(connection, category, on_day),
    )


async def _rates(
    connection: Connection, currency: str, on_day: date
) -> dict[tuple[str, str], Decimal]:
    cursor = await connection.execute(_SQL.list_rates, {"currency": currency, "on_day": on_day})
    rows: list[tuple[str, str, Decimal]] = await cursor.fetchall()  # type: ignore[assignment]
    return {(market, category): rate for market, category, rate in rows}


async def _policies(connection: Connection, category: str, on_day: date) -> dict[str, Policy]:
    async with connection.cursor(row_factory=class_row(Policy)) as cursor:
        await cursor.execute(_SQL.list_policies, {"category": category, "on_day": on_day})
        return {policy.pricing_type: policy for policy in await cursor.fetchall()}
