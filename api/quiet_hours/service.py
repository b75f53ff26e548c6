"""Rules are looked up by the claim of every message: a change holds from the next claim on."""

from datetime import time
from typing import Final

from api.deps import Caller
from api.dto import Answer
from api.quiet_hours.schemas import PutQuietHours, QuietHoursRule, QuietHoursRules
from api.rows import execute, fetch_all, fetch_known
from core.errors import NotFound
from core.store.audit import Detail
from core.store.database import Connection
from core.store.queries import load

_sql = load("quiet_hours")
_tenants = load("tenants")
#: Stored for "no nightly hours": equal times are no window.
_NO_HOURS: Final = time(0)


class _Zone(Answer):
    timezone: str


async def list_rules(caller: Caller) -> QuietHoursRules:
    """Every rule, the most exact first, and the zone that stands in for an unknown one."""
    async with caller.transaction() as connection:
        return await _rules(connection, caller)


async def _rules(connection: Connection, caller: Caller) -> QuietHoursRules:
    place = {"tenant_id": caller.tenant_id}
    zone = await fetch_known(connection, _Zone, _tenants.get_tenant_zone, place, what="tenant")
    rules = await fetch_all(connection, QuietHoursRule, _sql.list_quiet_hours, place)
    return QuietHoursRules(timezone=zone.timezone, items=rules)


async def _hold(connection: Connection, caller: Caller) -> None:
    """No other change of the rules until this one ends; raises Problem 412 for old If-Match."""
    place = {"tenant_id": caller.tenant_id, "settings": "quiet_hours"}
    await connection.execute(_tenants.lock_settings, place)
    caller.conditions.check(await _rules(connection, caller))


async def put_rule(caller: Caller, wanted: PutQuietHours) -> QuietHoursRule:
    """Write one rule."""
    _say(caller, wanted.country, wanted.category)
    async with caller.transaction() as connection:
        await _hold(connection, caller)
        return await fetch_known(
            connection,
            QuietHoursRule,
            _sql.put_quiet_hours,
            {
                "tenant_id": caller.tenant_id,
                "country": wanted.country,
                "category": wanted.category,
                "starts_at": wanted.starts_at or _NO_HOURS,
                "ends_at": wanted.ends_at or _NO_HOURS,
                "quiet_days": sorted(wanted.quiet_days),
            },
            what="rule",
        )


async def delete_rule(caller: Caller, country: str, category: str) -> None:
    """Take one rule back. Raises NotFound."""
    _say(caller, country, category)
    async with caller.transaction() as connection:
        await _hold(connection, caller)
        deleted = await execute(
            connection,
            _sql.delete_quiet_hours,
            {"tenant_id": caller.tenant_id, "country": country, "category": category},
        )
        if not deleted:
            raise NotFound("there is no rule for this country and category")


def _say(caller: Caller, country: str, category: str) -> None:
    details: dict[str, Detail] = {"country": country, "category": category}
    caller.audit(target_kind="quiet_hours", details=details)
