"""Webhooks on their way to tenants: reading what happened, claims, outcomes, upkeep.

At least once: a claim is a lease (`due_at` moved past it) with a fence; a process that dies leaves
the row due again, and what it might still record afterwards no longer fits the fence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString, TypeVar
from uuid import UUID

from psycopg.rows import class_row

from core.domain.ids import TenantId
from core.store.database import Connection
from core.store.queries import load

_SQL = load("deliveries")
KEEP_DAYS: Final = 16
"""Replay reaches 14 days back; events live a little longer."""
_UPKEEP_BATCH: Final = 5_000
_MESSAGES: Final = {"pattern": "message.%"}
Row = TypeVar("Row")
EndpointKey = tuple[TenantId, UUID]


@dataclass(frozen=True, slots=True, kw_only=True)
class DueEndpoint:
    """An endpoint with something due; `waiting` is counted up to a bound only."""

    tenant_id: TenantId
    endpoint_id: UUID
    is_ailing: bool
    waiting: int
    oldest_due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """One delivery that is ours to try until the lease ends."""

    tenant_id: TenantId
    endpoint_id: UUID
    event_id: UUID
    fence: int
    #: Since when it was due, before the claim.
    due_at: datetime
    #: Failures since it was queued.
    failures: int
    give_up_at: datetime
    event_type: str
    occurred_at: datetime
    data: dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where an endpoint is; `secrets` are sealed, the newest first."""

    tenant_id: TenantId
    endpoint_id: UUID
    url: str
    secrets: list[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try and what follows: `next_due_at` is None when the delivery is over."""

    claimed: Claimed
    #: delivered, pending (again), failed.
    state: str
    failure: str | None
    http_status: int | None
    next_due_at: datetime | None
    started_at: datetime
    duration_ms: int
    answer: str | None
    #: Until when the whole endpoint asked to be left alone.
    rests_until: datetime | None = None
    is_gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointChange:
    """What some attempts changed about an endpoint."""

    tenant_id: TenantId
    endpoint_id: UUID
    has_ended: bool
    has_recovered: bool
    disabled_reason: str | None
    failures_in_row: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """An attempt that counted; `failed_before` are failures of this delivery before it."""

    tenant_id: TenantId
    endpoint_id: UUID
    event_id: UUID
    failed_before: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cursor:
    xid: str
    event_id: int
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Horizon:
    horizon: str
    is_foreign: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listeners:
    has_listeners: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    events: int
    last_xid: str | None
    last_event_id: int | None


async def has_listeners(connection: Connection) -> bool:
    """Whether any endpoint listens to messages."""
    row = await _first(connection, _Listeners, _SQL.has_listeners, _MESSAGES)
    return row is not None and row.has_listeners


async def tell_message_events(connection: Connection, *, limit: int) -> int:
    """Queue what message events say, up to `limit` of them; returns how many were read.

    Reads only transactions that are over (xid below the oldest open one), so nothing that commits
    late is stepped over, and moves its cursor in the same transaction, so nothing is told twice.
    Returns 0 when another process is reading. A cursor beyond the horizon is another cluster's
    (restored from a dump): it begins anew at the present.
    """
    cursor = await _first(connection, _Cursor, _SQL.lock_cursor)
    if cursor is None:
        return 0
    horizon = await _first(connection, _Horizon, _SQL.get_horizon)
    if horizon is None:
        return 0
    told = _Told(events=0, last_xid=None, last_event_id=None)
    if not horizon.is_foreign:
        values = {
            "after_xid": cursor.xid,
            "after_event_id": cursor.event_id,
            "since": cursor.since,
            "horizon": horizon.horizon,
            "limit": limit,
            **_MESSAGES,
        }
        told = await _first(connection, _Told, _SQL.tell_message_events, values) or told
    full = told.events == limit
    await connection.execute(
        _SQL.move_cursor,
        {
            "xid": told.last_xid if full else horizon.horizon,
            "event_id": told.last_event_id if full else 0,
            "is_foreign": horizon.is_foreign,
        },
    )
    return told.events


async def list_due_endpoints(connection: Connection, *, most: int) -> list[DueEndpoint]:
    """Every endpoint that something is due for; counts up to `most` for each."""
    return await _all(connection, DueEndpoint, _SQL.list_due_endpoints, {"most": most})


async def claim_deliveries(
    connection: Connection, shares: dict[EndpointKey, int], *, lease_seconds: float
) -> list[Claimed]:
    """Take what is due, each endpoint up to its share, the longest due first."""
    values = {
        "tenant_ids": [tenant_id for tenant_id, _ in shares],
        "endpoint_ids": [endpoint_id for _, endpoint_id in shares],
        "shares": list(shares.values()),
        "lease_seconds": lease_seconds,
    }
    return await _all(connection, Claimed, _SQL.claim_deliveries, values)


async def return_deliveries(connection: Connection, claims: Sequence[Claimed]) -> int:
    """Give claims back that were not tried: due as before them; returns how many still held."""
    values = {
        "tenant_ids": [claim.tenant_id for claim in claims],
        "endpoint_ids": [claim.endpoint_id for claim in claims],
        "event_ids": [claim.event_id for claim in claims],
        "fences": [claim.fence for claim in claims],
        "due_ats": [claim.due_at for claim in claims],
    }
    return (await connection.execute(_SQL.return_deliveries, values)).rowcount


async def list_targets(
    connection: Connection, endpoints: Sequence[EndpointKey]
) -> dict[EndpointKey, Target]:
    """Where these endpoints are now, and their sealed secrets."""
    values = {
        "tenant_ids": [tenant_id for tenant_id, _ in endpoints],
        "endpoint_ids": [endpoint_id for _, endpoint_id in endpoints],
    }
    rows = await _all(connection, Target, _SQL.list_targets, values)
    return {(row.tenant_id, row.endpoint_id): row for row in rows}


async def record_attempts(connection: Connection, attempts: Sequence[Attempt]) -> list[Recorded]:
    """Record what became of claims; those whose lease was lost change nothing."""
    events = [attempt.claimed.event_id for attempt in attempts]
    values = {
        "tenant_ids": [attempt.claimed.tenant_id for attempt in attempts],
        "endpoint_ids": [attempt.claimed.endpoint_id for attempt in attempts],
        "event_ids": events,
        "fences": [attempt.claimed.fence for attempt in attempts],
        "states": [attempt.state for attempt in attempts],
        "failures": [attempt.failure for attempt in attempts],
        "http_statuses": [attempt.http_status for attempt in attempts],
        "next_due_ats": [attempt.next_due_at for attempt in attempts],
        "started_ats": [attempt.started_at for attempt in attempts],
        "durations_ms": [attempt.duration_ms for attempt in attempts],
        "answers": [attempt.answer for attempt in attempts],
        "lowest": min(events),
        "highest": max(events),
    }
    return await _all(connection, Recorded, _SQL.record_attempts, values)


async def mark_endpoints(
    connection: Connection, attempts: Sequence[Attempt], *, give_up_seconds: float
) -> list[EndpointChange]:
    """Keep the endpoints' health; switches off those gone, or failing for `give_up_seconds`."""
    by_endpoint: dict[EndpointKey, list[Attempt]] = {}
    for attempt in attempts:
        key = (attempt.claimed.tenant_id, attempt.claimed.endpoint_id)
        by_endpoint.setdefault(key, []).append(attempt)
    groups = by_endpoint.values()
    successes = [sum(a.state == "delivered" for a in group) for group in groups]
    values = {
        "tenant_ids": [tenant_id for tenant_id, _ in by_endpoint],
        "endpoint_ids": [endpoint_id for _, endpoint_id in by_endpoint],
        "successes": successes,
        "failures": [len(group) - good for group, good in zip(groups, successes, strict=True)],
        "gones": [any(a.is_gone for a in group) for group in groups],
        "rests_untils": [
            max((a.rests_until for a in group if a.rests_until), default=None) for group in groups
        ],
        "give_up_seconds": give_up_seconds,
    }
    return await _all(connection, EndpointChange, _SQL.mark_endpoints, values)


async def close_alerts(connection: Connection, *, tenant_id: TenantId, endpoint_id: UUID) -> None:
    """Close what was open about an endpoint."""
    await connection.execute(
        _SQL.close_alerts, {"tenant_id": tenant_id, "subject": str(endpoint_id)}
    )


async def drop_unwanted(connection: Connection) -> int:
    """End what waits for switched-off endpoints, then remove deleted ones; returns rows ended."""
    dropped = (await connection.execute(_SQL.drop_waiting, {"limit": _UPKEEP_BATCH})).rowcount
    await connection.execute(_SQL.drop_deleted)
    return dropped


async def drop_overdue(connection: Connection) -> int:
    """End what is past its last day without a try; returns how many."""
    return (await connection.execute(_SQL.drop_overdue, {"limit": _UPKEEP_BATCH})).rowcount


async def keep_partitions(connection: Connection, *, days_ahead: int) -> None:
    """Partitions for the coming days; those of events too old to replay are dropped."""
    values = {"days_ahead": days_ahead, "keep_days": KEEP_DAYS}
    await connection.execute(_SQL.keep_partitions, values)


async def _all(
    connection: Connection, row: type[Row], sql: LiteralString, values: Mapping[str, object]
) -> list[Row]:
    async with connection.cursor(row_factory=class_row(row)) as cursor:
        await cursor.execute(sql, values)
        return await cursor.fetchall()


async def _first(
    connection: Connection,
    row: type[Row],
    sql: LiteralString,
    values: Mapping[str, object] | None = None,
) -> Row | None:
    async with connection.cursor(row_factory=class_row(row)) as cursor:
        await cursor.execute(sql, values)
        return await cursor.fetchone()
