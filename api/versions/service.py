"""What ends, and how often a tenant still uses it."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final

from fastapi import FastAPI

from api.deprecations import Deprecation, deprecations
from api.deps import Caller
from api.dto import Answer
from api.openapi import operations
from api.rows import fetch_all
from api.versions.schemas import (
    EndingOperation,
    EndingOperations,
    UsedOperation,
    UsedOperations,
    UseOfADay,
    Window,
)
from core.errors import InvalidInput
from core.store.queries import load

_sql = load("deprecations")
MAX_DAYS: Final = 400
_USUAL_DAYS: Final = 30


class _UseRow(Answer):
    operation: str
    day: date
    uses: int


def ending(app: FastAPI, now: datetime) -> EndingOperations:
    """Every operation of the table, the next to end first."""
    places = {each["operationId"]: (method, path) for method, path, each in _operations(app)}
    items = [_shown(name, known, now, *places[name]) for name, known in deprecations().items()]
    return EndingOperations(items=sorted(items, key=lambda each: each.sunset_at))


async def uses(
    caller: Caller, app: FastAPI, start: date | None, end: date | None
) -> UsedOperations:
    """The tenant's uses on the days [start, end). Raises InvalidInput for a period that isn't one.

    Without `end` up to today, without `start` thirty days.
    """
    now = caller.state.clock.now()
    last = end or now.date() + timedelta(days=1)
    first = start or last - timedelta(days=_USUAL_DAYS)
    if not first < last:
        raise InvalidInput("`from` must be before `to`", pointer="/query/from")
    if (last - first).days > MAX_DAYS:
        raise InvalidInput(f"ask for at most {MAX_DAYS} days", pointer="/query/to")
    place = {"tenant_id": caller.tenant_id, "from_date": first, "to_date": last}
    async with caller.transaction(snapshot=True) as connection:
        rows = await fetch_all(connection, _UseRow, _sql.list_uses, place)
    days: defaultdict[str, list[UseOfADay]] = defaultdict(list)
    for row in rows:
        days[row.operation].append(UseOfADay(date=row.day, uses=row.uses))
    return UsedOperations(
        items=[
            UsedOperation(
                operation=each,
                uses=sum(day.uses for day in days[each.operation_id]),
                days=days[each.operation_id],
            )
            for each in ending(app, now).items
        ]
    )


def _operations(app: FastAPI) -> list[tuple[str, str, Mapping[str, Any]]]:
    return list(operations(app.openapi()))


def _shown(name: str, known: Deprecation, now: datetime, method: str, path: str) -> EndingOperation:
    return EndingOperation(
        operation_id=name,
        method=method.upper(),
        path=path,
        phase=known.phase(now),
        announced_at=known.announced_at,
        deprecated_at=known.deprecated_at,
        sunset_at=known.sunset_at,
        reason=known.reason,
        successor=known.successor,
        brown_outs=[
            Window(starts_at=each.starts_at, ends_at=each.ends_at) for each in known.brown_outs
        ],
    )
