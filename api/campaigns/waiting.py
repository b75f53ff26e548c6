"""Why the messages of a campaign wait: what stops all of it, then what stops some of them."""

from datetime import datetime

from api.campaigns.schemas import Campaign, Waiting
from api.deps import Caller
from api.dto import Answer
from api.rows import fetch_all, fetch_known
from core.store.database import Connection
from core.store.queries import load

_sql = load("campaigns")
_WAITING = frozenset({"approved", "running", "paused"})


class _Stops(Answer):
    tenant_suspended: bool
    paused: bool
    status_reason: str | None
    not_launched: bool
    scheduled_until: datetime | None
    number_paused_until: datetime | None
    account_blocked: bool
    switch_scope: str | None


class _Count(Answer):
    reason: str
    messages: int
    until: datetime | None


async def explain_waiting(
    connection: Connection, caller: Caller, campaign: Campaign
) -> list[Waiting]:
    """Every reason that holds now; empty when nothing of it waits."""
    if campaign.status not in _WAITING or campaign.finished_at is not None:
        return []
    place = {"tenant_id": caller.tenant_id, "campaign_id": campaign.campaign_id}
    counts = await fetch_all(connection, _Count, _sql.count_waiting, place)
    if not counts:
        return []
    stops = await fetch_known(connection, _Stops, _sql.get_stops, place, what="campaign")
    some = [
        Waiting(reason=count.reason, messages=count.messages, until=count.until) for count in counts
    ]
    return [*_of_all(stops), *some]


def _of_all(stops: _Stops) -> list[Waiting]:
    """What holds the whole campaign back; first what no tenant can lift."""
    found = (
        (stops.switch_scope is not None, _stop("switch", detail=stops.switch_scope)),
        (stops.tenant_suspended, _stop("tenant_suspended")),
        (stops.paused, _stop("paused", detail=stops.status_reason)),
        (stops.not_launched, _stop("not_launched")),
        (stops.scheduled_until is not None, _stop("scheduled", until=stops.scheduled_until)),
        (stops.account_blocked, _stop("account_blocked")),
        (
            stops.number_paused_until is not None,
            _stop("number_paused", until=stops.number_paused_until),
        ),
    )
    return [waiting for holds, waiting in found if holds]


def _stop(reason: str, *, until: datetime | None = None, detail: str | None = None) -> Waiting:
    return Waiting(reason=reason, messages=None, until=until, detail=detail)
