"""Reads the tenant's status off the rows that hold things back; nothing of it is stored."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from api.deps import Caller
from api.dto import Answer
from api.rows import fetch_all, fetch_known
from api.status.schemas import Backlogs, Broker, Cause, StatusCause, StatusState, SystemStatus
from core.store.queries import load

_sql = load("status")
#: What a row that stops something is called here: a switch by its scope.
_CAUSES: Final[Mapping[str, Cause]] = MappingProxyType(
    {
        "everything": "sending_stopped",
        "tenant": "tenant_stopped",
        "campaign": "campaign_stopped",
        "number": "number_stopped",
        "webhooks_accept_only": "webhooks_not_applied",
        "api_read_only": "api_read_only",
        "number_paused": "number_paused",
        "account_blocked": "account_blocked",
        "endpoint_disabled": "endpoint_disabled",
    }
)
_STOPS_ALL: Final = frozenset({"sending_stopped", "tenant_stopped"})
#: Longer than this in the first place of its line is late. A single message waits a second or two;
#: Meta's webhooks are applied within five.
_LATE_MESSAGE: Final = timedelta(minutes=1)
_LATE_WEBHOOK: Final = timedelta(minutes=1)
_LATE_DELIVERY: Final = timedelta(minutes=5)
#: The year 9999: until somebody lifts it.
_UNTIL_LIFTED: Final = 9999


class _Stop(Answer):
    kind: str
    subject: str | None
    since: datetime | None
    until: datetime | None


async def get_status(caller: Caller) -> SystemStatus:
    """The status of this instant."""
    broker = await caller.state.broker.look()
    now = caller.state.clock.now()
    place = {"tenant_id": caller.tenant_id}
    async with caller.transaction(snapshot=True) as connection:
        stops = await fetch_all(connection, _Stop, _sql.list_stops, place)
        waiting = await fetch_known(connection, Backlogs, _sql.get_backlogs, place, what="tenant")
    causes = [*map(_stopped, stops), *_late(waiting, now), *_unreachable(broker)]
    found = {cause.cause for cause in causes}
    return SystemStatus(
        state=_state(found),
        as_of=now,
        accepts_changes="api_read_only" not in found,
        sends=not found & _STOPS_ALL,
        broker=broker,
        causes=causes,
        waiting_since=waiting,
    )


def _state(found: set[Cause]) -> StatusState:
    if found & _STOPS_ALL:
        return "stopped"
    return "degraded" if found else "ok"


def _stopped(stop: _Stop) -> StatusCause:
    until = None if stop.until is None or stop.until.year >= _UNTIL_LIFTED else stop.until
    return StatusCause(
        cause=_CAUSES[stop.kind], subject=stop.subject, since=stop.since, until=until
    )


def _late(waiting: Backlogs, now: datetime) -> Iterator[StatusCause]:
    lines: tuple[tuple[Cause, datetime | None, timedelta], ...] = (
        ("messages_late", waiting.single_messages, _LATE_MESSAGE),
        ("deliveries_late", waiting.deliveries, _LATE_DELIVERY),
        ("webhooks_late", waiting.meta_webhooks, _LATE_WEBHOOK),
    )
    for cause, since, patience in lines:
        if since is not None and now - since > patience:
            yield StatusCause(cause=cause, subject=None, since=since, until=None)


def _unreachable(broker: Broker) -> Iterator[StatusCause]:
    if broker == "no_answer":
        yield StatusCause(cause="broker_unreachable", subject=None, since=None, until=None)
