"""Reads the published usage from the warehouse."""

from datetime import date
from typing import Final

from api.deps import Caller
from api.rows import fetch_all
from api.usage.schemas import Usage, UsageRow
from core.errors import InvalidInput
from core.store.queries import load

_sql = load("usage")
MAX_DAYS: Final = 93
_MAX_ROWS: Final = 50_000


async def get_usage(caller: Caller, start: date, end: date, category: str | None) -> Usage:
    """Usage of the days [start, end). Raises InvalidInput for a period that isn't one."""
    if not start < end:
        raise InvalidInput("`from` must be before `to`", pointer="/query/from")
    if (end - start).days > MAX_DAYS:
        raise InvalidInput(f"ask for at most {MAX_DAYS} days", pointer="/query/to")
    async with caller.state.warehouse.transaction(caller.tenant_id) as connection:
        rows = await fetch_all(
            connection,
            UsageRow,
            _sql.list_usage,
            {
                "tenant_id": caller.tenant_id,
                "from_date": start,
                "to_date": end,
                "category": category,
                "limit": _MAX_ROWS,
            },
        )
    return Usage(items=rows, delivered=sum(row.delivered for row in rows))
