"""Endpoints, their secrets, their deliveries, replay."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final
from uuid import UUID

from api.deps import Caller
from api.dto import Answer, Page
from api.list_filters import Made
from api.pagination import Pager
from api.rows import execute, fetch_all, fetch_known
from api.webhook_endpoints.schemas import (
    ChangeEndpoint,
    CreateEndpoint,
    Delivery,
    DeliveryAttempt,
    DeliverySummary,
    Endpoint,
    EndpointState,
    NewEndpoint,
    Replay,
    Replayed,
    TestSent,
)
from core.domain.destinations import ForbiddenDestination
from core.domain.ids import new_id
from core.domain.tenant_events import envelope, webhook_id
from core.errors import Conflict, InvalidInput
from core.outgoing import check_reachable_destination
from core.store.database import Connection
from core.store.endpoints import new_secret, seal_secret
from core.store.queries import load

_sql = load("endpoints")
_WHAT: Final = "webhook endpoint"
_MAX_REPLAY_AGE: Final = timedelta(days=14)
_HOUR_SECONDS: Final = 3_600


class _Stored(DeliverySummary):
    data: dict[str, object]


class _Replayed(Answer):
    replayed: int
    last_event_id: UUID | None


async def create_endpoint(caller: Caller, wanted: CreateEndpoint) -> NewEndpoint:
    """A new endpoint with its first secret. Raises Conflict when the tenant has too many."""
    await _check_url(caller, wanted.url)
    endpoint_id, most = new_id(), caller.state.settings.webhook_max_endpoints
    caller.audit(target_kind="endpoint", target_id=endpoint_id)
    async with caller.transaction() as connection:
        await connection.execute(_sql.lock_endpoints, {"tenant_id": caller.tenant_id})
        made = await execute(
            connection,
            _sql.insert_endpoint,
            {
                "tenant_id": caller.tenant_id,
                "endpoint_id": endpoint_id,
                "url": wanted.url,
                "description": wanted.description,
                "event_types": wanted.event_types,
                "created_by": caller.subject,
                "most": most,
            },
        )
        if not made:
            raise Conflict(f"a tenant has at most {most} webhook endpoints; delete one first")
        secret = await _add_secret(connection, caller, endpoint_id)
        endpoint = await _endpoint(connection, caller, endpoint_id)
    return NewEndpoint(endpoint=endpoint, secret=secret)


async def list_endpoints(
    caller: Caller, pager: Pager, *, made: Made, state: EndpointState | None
) -> Page[Endpoint]:
    """The tenant's endpoints, newest first."""
    async with caller.transaction() as connection:
        rows = await fetch_all(
            connection,
            Endpoint,
            _sql.list_endpoints,
            {
                "tenant_id": caller.tenant_id,
                "after": pager.after_id,
                **made.parameters(),
                "enabled": None if state is None else state == "enabled",
                "limit": pager.fetch,
            },
        )
    return pager.page(rows, lambda row: row.endpoint_id)


async def get_endpoint(caller: Caller, endpoint_id: UUID) -> Endpoint:
    """One endpoint."""
    async with caller.transaction() as connection:
        return await _endpoint(connection, caller, endpoint_id)


async def change_endpoint(caller: Caller, endpoint_id: UUID, wanted: ChangeEndpoint) -> Endpoint:
    """Change what is given."""
    if wanted.url is not None:
        await _check_url(caller, wanted.url)
    caller.audit(details={"fields": sorted(wanted.model_fields_set)})
    async with caller.transaction() as connection:
        place = await _hold(connection, caller, endpoint_id)
        await execute(
            connection,
            _sql.update_endpoint,
            {
                **place,
                "url": wanted.url,
                "event_types": wanted.event_types,
                "has_description": "description" in wanted.model_fields_set,
                "description": wanted.description,
                "enabled": wanted.enabled,
            },
        )
        return await _endpoint(connection, caller, endpoint_id)


async def delete_endpoint(caller: Caller, endpoint_id: UUID) -> None:
    """Forget an endpoint and its secrets; what waits for it ends."""
    async with caller.transaction() as connection:
        place = await _hold(connection, caller, endpoint_id)
        await execute(connection, _sql.delete_endpoint, place)
        await execute(connection, _sql.delete_expired_secrets, {**place, "all": True})


async def rotate_secret(caller: Caller, endpoint_id: UUID, overlap_hours: int) -> NewEndpoint:
    """A new secret; those of before sign for the overlap, too."""
    async with caller.transaction() as connection:
        await _endpoint(connection, caller, endpoint_id)
        place = _place(caller, endpoint_id)
        seconds = overlap_hours * _HOUR_SECONDS
        await execute(connection, _sql.expire_secrets, {**place, "overlap_seconds": seconds})
        await execute(connection, _sql.delete_expired_secrets, {**place, "all": False})
        secret = await _add_secret(connection, caller, endpoint_id)
        endpoint = await _endpoint(connection, caller, endpoint_id)
    return NewEndpoint(endpoint=endpoint, secret=secret)


async def send_test(connection: Connection, caller: Caller, endpoint_id: UUID) -> TestSent:
    """Queue a test event for one endpoint. Raises Conflict when it is switched off."""
    await _enabled(connection, caller, endpoint_id)
    event_id = new_id()
    values = {**_place(caller, endpoint_id), "event_id": event_id}
    await execute(connection, _sql.emit_test_event, values)
    return TestSent(event_id=event_id, webhook_id=webhook_id(event_id))


async def list_deliveries(
    caller: Caller,
    endpoint_id: UUID,
    pager: Pager,
    *,
    state: str | None,
    event_type: str | None,
    made: Made,
) -> Page[DeliverySummary]:
    """Deliveries to an endpoint, the newest event first."""
    async with caller.transaction() as connection:
        await _endpoint(connection, caller, endpoint_id)
        rows = await fetch_all(
            connection,
            DeliverySummary,
            _sql.list_deliveries,
            {
                **_place(caller, endpoint_id),
                "state": state,
                "event_type": event_type,
                **made.ids(),
                "after": pager.after_id,
                "limit": pager.fetch,
            },
        )
    return pager.page(rows, lambda row: row.event_id)


async def get_delivery(caller: Caller, endpoint_id: UUID, event_id: UUID) -> Delivery:
    """One delivery with its body and its attempts."""
    async with caller.transaction() as connection:
        return await _delivery(connection, caller, endpoint_id, event_id)


async def replay_delivery(
    connection: Connection, caller: Caller, endpoint_id: UUID, event_id: UUID
) -> Delivery:
    """Send one event again; nothing changes when it waits to be sent anyway."""
    await _enabled(connection, caller, endpoint_id)
    values = {**_place(caller, endpoint_id), "event_id": event_id}
    await execute(connection, _sql.replay_delivery, values)
    return await _delivery(connection, caller, endpoint_id, event_id)


async def replay(
    connection: Connection, caller: Caller, endpoint_id: UUID, wanted: Replay
) -> Replayed:
    """Send finished deliveries again, a page in the order of their ids.

    What is pending is left alone, so that the same request twice sends nothing twice.
    """
    now = caller.state.clock.now()
    if wanted.since < now - _MAX_REPLAY_AGE:
        raise InvalidInput("events are kept for replay for 14 days", pointer="/from")
    if wanted.until is not None and wanted.until <= wanted.since:
        raise InvalidInput("must be later than `from`", pointer="/until")
    await _enabled(connection, caller, endpoint_id)
    types = wanted.event_types
    row = await fetch_known(
        connection,
        _Replayed,
        _sql.replay_deliveries,
        {
            **_place(caller, endpoint_id),
            "states": list(wanted.states),
            "event_types": None if types in (None, ["*"]) else types,
            "from": wanted.since,
            "until": wanted.until or now,
            "after": wanted.after,
            "limit": wanted.limit,
        },
        what=_WHAT,
    )
    more = row.replayed == wanted.limit
    return Replayed(replayed=row.replayed, continue_after=row.last_event_id if more else None)


async def _check_url(caller: Caller, url: str) -> None:
    """Before any transaction, for it asks DNS. Raises ForbiddenDestination."""
    try:
        await check_reachable_destination(url, caller.state.settings.destination_rules())
    except ForbiddenDestination as error:
        raise ForbiddenDestination(error.detail, pointer="/url") from error


async def _add_secret(connection: Connection, caller: Caller, endpoint_id: UUID) -> str:
    secret = new_secret()
    await execute(
        connection,
        _sql.insert_secret,
        {
            **_place(caller, endpoint_id),
            "secret_id": new_id(),
            "secret_encrypted": seal_secret(caller.tenant_id, endpoint_id, secret),
        },
    )
    return secret


async def _enabled(connection: Connection, caller: Caller, endpoint_id: UUID) -> None:
    """Raises NotFound, or Conflict when nothing is sent to it."""
    endpoint = await _endpoint(connection, caller, endpoint_id)
    if not endpoint.enabled:
        raise Conflict(f"the webhook endpoint is switched off ({endpoint.disabled_reason})")


async def _endpoint(connection: Connection, caller: Caller, endpoint_id: UUID) -> Endpoint:
    place = _place(caller, endpoint_id)
    return await fetch_known(connection, Endpoint, _sql.get_endpoint, place, what=_WHAT)


async def _hold(connection: Connection, caller: Caller, endpoint_id: UUID) -> Mapping[str, object]:
    """Where the endpoint is, held until the change is made. Problem 412 for an old If-Match."""
    place = _place(caller, endpoint_id)
    await connection.execute(_sql.lock_endpoint, place)
    caller.conditions.check(await _endpoint(connection, caller, endpoint_id))
    return place


async def _delivery(
    connection: Connection, caller: Caller, endpoint_id: UUID, event_id: UUID
) -> Delivery:
    await _endpoint(connection, caller, endpoint_id)
    values = {**_place(caller, endpoint_id), "event_id": event_id}
    row = await fetch_known(
        connection, _Stored, _sql.get_delivery, values, what="delivery of this endpoint"
    )
    tries = await fetch_all(connection, DeliveryAttempt, _sql.list_attempts, values)
    body = envelope(
        event_id=row.event_id, event_type=row.event_type, occurred_at=row.occurred_at, data=row.data
    )
    return Delivery(
        **row.model_dump(exclude={"data", "created_at"}),
        webhook_id=webhook_id(row.event_id),
        body=body,
        tries=tries,
    )


def _place(caller: Caller, endpoint_id: UUID) -> Mapping[str, object]:
    return {"tenant_id": caller.tenant_id, "endpoint_id": endpoint_id}
