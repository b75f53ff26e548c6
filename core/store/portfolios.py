"""Messaging limits: how many people a business portfolio may begin to write to in a moving day.

The limit is the portfolio's, shared by all its numbers (Meta, messaging limits, as read on
2026-09-11): 250, 2,000, 10,000, 100,000 or none. The claim enforces it exactly; what is read here
is for pacing and for people.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from psycopg.rows import class_row

from core.store.database import Connection
from core.store.queries import load

_SQL = load("portfolios")
MOVING_DAY: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioUsage:
    """What is used of a limited portfolio; `oldest_at` is when the longest-counted was reached."""

    portfolio_id: str
    people_per_day: int
    used: int
    oldest_at: datetime | None

    @property
    def free(self) -> int:
        """People it may still begin to write to now."""
        return max(0, self.people_per_day - self.used)

    @property
    def next_free_at(self) -> datetime | None:
        """When the next place appears; None while there is one."""
        if self.free or self.oldest_at is None:
            return None
        return self.oldest_at + MOVING_DAY


async def list_usage(
    connection: Connection, *, without: Sequence[str] = (), only: str | None = None
) -> list[PortfolioUsage]:
    """The usage of every limited portfolio but those `without`, or of `only` one."""
    async with connection.cursor(row_factory=class_row(PortfolioUsage)) as cursor:
        await cursor.execute(_SQL.list_usage, {"without": list(without), "only": only})
        return await cursor.fetchall()


async def forget_reach(connection: Connection, *, limit: int) -> int:
    """Delete what no moving day counts any more, at most `limit` people a portfolio."""
    cursor = await connection.execute(_SQL.forget_reach, {"limit": limit})
    return cursor.rowcount
