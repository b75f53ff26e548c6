"""Reads the tenant, and changes the rules it has set for itself."""

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from api.deps import Caller
from api.dto import Answer
from api.rows import execute, fetch_known
from api.tenants.schemas import ChangeTenant, Tenant
from core.errors import Conflict, InvalidInput
from core.store.database import Connection
from core.store.queries import load

_sql = load("tenants")
#: How long a second owner has to agree that four eyes are switched off.
_AGREEMENT: Final = timedelta(days=7)


class _Rules(Answer):
    name: str
    locale: str
    timezone: str
    four_eyes: bool
    marketing_cap_messages: int | None
    marketing_cap_days: int | None
    blocked_countries: list[str]
    four_eyes_off_asked_by: str | None
    four_eyes_off_asked_at: datetime | None
    billed: bool


async def get_tenant(caller: Caller) -> Tenant:
    """The caller's tenant."""
    async with caller.transaction() as connection:
        return await _tenant(connection, caller)


async def change_tenant(caller: Caller, wanted: ChangeTenant) -> Tenant:
    """Change the tenant's rules.

    Raises InvalidInput for an unknown zone, Conflict for another zone once something was invoiced,
    Problem when a key tries to switch four eyes off.
    """
    place = {"tenant_id": caller.tenant_id}
    async with caller.transaction() as connection:
        rules = await fetch_known(connection, _Rules, _sql.lock_tenant, place, what="tenant")
        caller.conditions.check(await _tenant(connection, caller))
        changed = rules.model_dump(exclude={"billed"}) | wanted.model_dump(exclude_unset=True)
        if changed["timezone"] != rules.timezone:
            _check_zone(wanted.timezone or "", billed=rules.billed)
        if wanted.blocked_countries is not None:
            changed["blocked_countries"] = sorted(set(wanted.blocked_countries))
        if wanted.four_eyes is not None:
            changed |= _decide_four_eyes(caller, rules, wanted=wanted.four_eyes)
        await execute(connection, _sql.change_tenant, place | changed)
        return await _tenant(connection, caller)


def _decide_four_eyes(caller: Caller, rules: _Rules, *, wanted: bool) -> dict[str, object]:
    """On at once; off when two different owners have asked for it within a week."""
    asked_by, asked_at = rules.four_eyes_off_asked_by, rules.four_eyes_off_asked_at
    nobody_asks: dict[str, object] = {
        "four_eyes_off_asked_by": None,
        "four_eyes_off_asked_at": None,
    }
    if wanted or not rules.four_eyes:
        return nobody_asks | {"four_eyes": wanted}
    # A key could be the same owner a second time: only people who have signed in count.
    person, now = f"user:{caller.signed_in.user_id}", caller.state.clock.now()
    fresh = asked_at is not None and now - asked_at < _AGREEMENT
    if fresh and asked_by != person:
        return nobody_asks | {"four_eyes": False}
    return {
        "four_eyes": True,
        "four_eyes_off_asked_by": person,
        "four_eyes_off_asked_at": now,
    }


def _check_zone(zone: str, *, billed: bool) -> None:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInput("there is no such time zone", pointer="/timezone") from error
    if billed:
        raise Conflict("the days of the present time zone have been invoiced: it stays")


async def _tenant(connection: Connection, caller: Caller) -> Tenant:
    return await fetch_known(
        connection, Tenant, _sql.get_tenant, {"tenant_id": caller.tenant_id}, what="tenant"
    )
