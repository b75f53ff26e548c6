"""Who still uses operations of the API that end, as an operator asks before a sunset."""

from dataclasses import dataclass
from datetime import date

import psycopg
from psycopg.rows import class_row

from core.store.queries import load

_SQL = load("deprecations")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeprecatedUse:
    """One tenant's uses of one operation since a day; `last_day` is that of the latest (UTC)."""

    operation: str
    slug: str
    uses: int
    last_day: date


def list_users(
    connection: psycopg.Connection[tuple[object, ...]], since: date, operation: str | None
) -> list[DeprecatedUse]:
    """Tenants that used what ends, by operation, the most frequent first."""
    with connection.cursor(row_factory=class_row(DeprecatedUse)) as cursor:
        cursor.execute(_SQL.list_users, {"from_date": since, "operation": operation})
        return cursor.fetchall()
