"""When a campaign starts: read from a request, changed before its launch."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from api.campaigns.schemas import Campaign, ChangeCampaign
from api.deps import Caller
from api.dto import Answer
from api.problems import Problem
from api.rows import execute, fetch_known
from core.domain.schedules import instant_of
from core.errors import InvalidInput
from core.store.database import Connection
from core.store.queries import load

_sql = load("campaigns")
_tenants = load("tenants")
_MAX_AHEAD: Final = timedelta(days=366)


class _Zone(Answer):
    timezone: str


async def start_time(
    connection: Connection, caller: Caller, *, at: datetime | None, wall: datetime | None
) -> datetime | None:
    """The instant that was meant: `wall` is a clock in the tenant's zone. Raises InvalidInput."""
    wanted = at
    if wall is not None:
        wanted = instant_of(wall, await tenant_zone(connection, caller))
    now = caller.state.clock.now()
    if wanted is not None and not now <= wanted <= now + _MAX_AHEAD:
        pointer = "/scheduled_at" if wall is None else "/scheduled_local"
        raise InvalidInput("must lie within the coming year", pointer=pointer)
    return wanted


async def tenant_zone(connection: Connection, caller: Caller) -> ZoneInfo:
    """The zone of the tenant's wall clocks."""
    zone = await fetch_known(
        connection,
        _Zone,
        _tenants.get_tenant_zone,
        {"tenant_id": caller.tenant_id},
        what="tenant",
    )
    return ZoneInfo(zone.timezone)


async def change_campaign(caller: Caller, campaign_id: UUID, wanted: ChangeCampaign) -> Campaign:
    """Change a campaign that was never launched. Raises Problem that names its state.

    With local delivery each person's time is part of the plan: another time makes it a draft again.
    """
    place = {"tenant_id": caller.tenant_id, "campaign_id": campaign_id}
    async with caller.transaction() as connection:
        await connection.execute(_sql.lock_campaign, place)
        before = await fetch_known(connection, Campaign, _sql.get_campaign, place, what="campaign")
        caller.conditions.check(before)
        check_something_changes(wanted)
        after = await _merged(connection, caller, before, wanted)
        moved = (before.scheduled_at, before.local_delivery) != (
            after["scheduled_at"],
            after["local_delivery"],
        )
        replan = moved and (before.local_delivery or bool(after["local_delivery"]))
        read = {"was_local": before.local_delivery, "was_scheduled_at": before.scheduled_at}
        changed = await execute(
            connection, _sql.reschedule_campaign, place | after | read | {"replan": replan}
        )
        campaign = await fetch_known(
            connection, Campaign, _sql.get_campaign, place, what="campaign"
        )
        if not changed:
            raise Problem(
                "campaign-state",
                f"a campaign that is {campaign.state} can't be changed",
                extra={"status_now": campaign.state},
            )
        caller.audit(details={"fields": sorted(wanted.model_fields_set)})
    return campaign


def check_something_changes(wanted: BaseModel) -> None:
    """Raise InvalidInput when a change names nothing; ask after the thing has been found."""
    if not wanted.model_fields_set:
        raise InvalidInput("name at least one thing to change")


async def _merged(
    connection: Connection, caller: Caller, before: Campaign, wanted: ChangeCampaign
) -> dict[str, object]:
    """The campaign's new values. Raises InvalidInput."""
    given = wanted.model_fields_set
    scheduled_at = before.scheduled_at
    if given & {"scheduled_at", "scheduled_local"}:
        scheduled_at = await start_time(
            connection, caller, at=wanted.scheduled_at, wall=wanted.scheduled_local
        )
    local = before.local_delivery if wanted.local_delivery is None else wanted.local_delivery
    if local and scheduled_at is None:
        raise InvalidInput("local_delivery needs scheduled_at", pointer="/local_delivery")
    minutes = wanted.max_lateness_minutes or before.max_lateness_minutes
    return {
        "name": wanted.name or before.name,
        "scheduled_at": scheduled_at,
        "local_delivery": local,
        "max_lateness_seconds": minutes * 60,
    }
