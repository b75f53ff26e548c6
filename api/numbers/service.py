"""Lists the numbers; takes them over from the Cloud API."""

from typing import Final

import psycopg

from api.deps import Caller
from api.dto import Answer, Page
from api.list_filters import Made
from api.meta import accounts
from api.numbers.schemas import Number, NumbersSynced, NumberState, Portfolio
from api.pagination import Pager
from api.rows import fetch_all, fetch_known
from core.errors import Conflict
from core.store.database import Connection
from core.store.queries import load
from core.whatsapp.json_values import Json, child, optional_identifier, text

_sql = load("accounts")
_portfolios = load("portfolios")
_QUALITIES: Final = frozenset({"GREEN", "YELLOW", "RED"})
#: Messages a second by Meta's throughput level (Throughput, as read on 2026-09-11).
_THROUGHPUT: Final = {"STANDARD": 80, "HIGH": 1000}
_DEFAULT_THROUGHPUT: Final = 80


class _Upserted(Answer):
    phone_number_id: str
    created: bool


async def list_numbers(
    caller: Caller, pager: Pager, *, made: Made, state: NumberState | None
) -> Page[Number]:
    """The tenant's numbers, by id."""
    async with caller.transaction() as connection:
        rows = await fetch_all(
            connection,
            Number,
            _sql.list_numbers,
            {
                "tenant_id": caller.tenant_id,
                "phone_number_id": None,
                "after": pager.after,
                **made.parameters(),
                "state": state,
                "limit": pager.fetch,
            },
        )
    return pager.page(rows, lambda row: row.phone_number_id)


async def list_portfolios(caller: Caller, pager: Pager, made: Made) -> Page[Portfolio]:
    """The tenant's portfolios with what is used of their limits, by id."""
    async with caller.transaction() as connection:
        rows = await fetch_all(
            connection,
            Portfolio,
            _portfolios.list_portfolios,
            {
                "tenant_id": caller.tenant_id,
                "portfolio_id": None,
                "after": pager.after,
                **made.parameters(),
                "limit": pager.fetch,
            },
        )
    return pager.page(rows, lambda row: row.portfolio_id)


async def sync_numbers(caller: Caller) -> NumbersSynced:
    """Read all numbers of all accounts from Meta, then write them. Raises MetaError."""
    found: list[tuple[str, Json]] = []
    count = 0
    async for account in accounts(caller):
        count += 1
        found += [
            (account.waba_id, item)
            async for item in account.client.iter_phone_numbers(account.waba_id)
            if optional_identifier(item, "id", limit=32)
        ]
    created = 0
    try:
        async with caller.transaction() as connection:
            for waba_id, item in found:
                created += await _store(connection, caller, waba_id, item)
            caller.audit(target_kind="numbers", details={"numbers": len(found), "created": created})
    except psycopg.errors.UniqueViolation as error:
        raise Conflict("one of the numbers belongs to another tenant here") from error
    return NumbersSynced(accounts=count, numbers=len(found), created=created)


async def _store(connection: Connection, caller: Caller, waba_id: str, item: Json) -> bool:
    quality = text(item, "quality_rating") or "UNKNOWN"
    level = text(child(item, "throughput"), "level") or ""
    row = await fetch_known(
        connection,
        _Upserted,
        _sql.upsert_number,
        {
            "tenant_id": caller.tenant_id,
            "phone_number_id": optional_identifier(item, "id", limit=32),
            "waba_id": waba_id,
            "display_phone_number": text(item, "display_phone_number") or "",
            "verified_name": text(item, "verified_name"),
            "quality": quality if quality in _QUALITIES else "UNKNOWN",
            "throughput_per_second": _THROUGHPUT.get(level, _DEFAULT_THROUGHPUT),
            "synced_at": caller.state.clock.now(),
        },
        what="number",
    )
    return row.created
