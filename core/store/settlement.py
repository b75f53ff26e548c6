"""What the settler reads and writes: leases, doubts, ends of campaigns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from psycopg.rows import class_row

from core.clock import utc_now
from core.domain.ids import MessageId, PhoneNumberId, TenantId
from core.store.database import Connection
from core.store.queries import load

_SQL = load("settlement")
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NIL: Final = UUID(int=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A message whose send may or may not have reached Meta.

    `doubts` counts the attempts that ended so, this one included; `given_up` says that the longest
    time we wait for evidence is over.
    """

    tenant_id: TenantId
    message_id: MessageId
    phone_number_id: PhoneNumberId
    category: str
    attempt_no: int
    claimed_at: datetime
    in_doubt_since: datetime
    given_up: bool
    doubts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """Other sends of the number in the same minutes: how many there are, how many were heard of."""

    controls: int
    heard: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of a doubt: failed, queued or expired."""

    doubt: Doubt
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LostClaim:
    """A claim that ended with its worker; poison when it was the last one in a row we try."""

    tenant_id: TenantId
    message_id: MessageId
    is_poison: bool


async def expire_leases(
    connection: Connection, *, limit: int, quarantine_after: int
) -> list[LostClaim]:
    """Put claims whose lease is over in doubt; the `quarantine_after`th in a row for good."""
    async with connection.cursor(row_factory=class_row(LostClaim)) as cursor:
        await cursor.execute(
            _SQL.expire_leases, {"limit": limit, "quarantine_after": quarantine_after}
        )
        return await cursor.fetchall()


async def find_listening_since(connection: Connection, *, quiet_seconds: int) -> datetime:
    """Since when landing has listened without a gap; about now when it does not listen."""
    values = {"quiet_seconds": quiet_seconds}
    cursor = await connection.execute(_SQL.get_listening_since, values)
    row = await cursor.fetchone()
    return row[0] if row and isinstance(row[0], datetime) else utc_now()


async def forget_pulses(connection: Connection, *, keep_seconds: int) -> int:
    """Drop pulses older than any quiet time; returns how many."""
    cursor = await connection.execute(_SQL.forget_pulses, {"keep_seconds": keep_seconds})
    return cursor.rowcount


async def list_doubts(
    connection: Connection,
    *,
    listening_since: datetime,
    quiet_seconds: int,
    give_up_seconds: int,
    after: Doubt | None,
    limit: int,
) -> list[Doubt]:
    """Doubts older than the quiet time, the oldest first, one page after another.

    None before the quiet time has passed since `listening_since`, but those that are given up.
    """
    async with connection.cursor(row_factory=class_row(Doubt)) as cursor:
        await cursor.execute(
            _SQL.list_doubts,
            {
                "listening_since": listening_since,
                "quiet_seconds": quiet_seconds,
                "give_up_seconds": give_up_seconds,
                "after_at": after.in_doubt_since if after else _LONG_AGO,
                "after_id": after.message_id if after else _NIL,
                "limit": limit,
            },
        )
        return await cursor.fetchall()


async def count_controls(
    connection: Connection,
    *,
    tenant_id: TenantId,
    phone_number_id: PhoneNumberId,
    at: datetime,
) -> Controls:
    """The control group of an instant: sends Meta accepted within two minutes of it."""
    async with connection.cursor(row_factory=class_row(Controls)) as cursor:
        await cursor.execute(
            _SQL.count_controls,
            {"tenant_id": tenant_id, "phone_number_id": phone_number_id, "at": at},
        )
        return await cursor.fetchone() or Controls(controls=0, heard=0)


async def settle_doubts(connection: Connection, verdicts: Sequence[Verdict]) -> Mapping[str, int]:
    """Carry out verdicts on what is still in doubt; returns how many ended in which state."""
    if not verdicts:
        return {}
    ids = [verdict.doubt.message_id for verdict in verdicts]
    cursor = await connection.execute(
        _SQL.settle_doubts,
        {
            "tenant_ids": [verdict.doubt.tenant_id for verdict in verdicts],
            "message_ids": ids,
            "attempt_nos": [verdict.doubt.attempt_no for verdict in verdicts],
            "states": [verdict.state for verdict in verdicts],
            "lowest": min(ids),
            "highest": max(ids),
        },
    )
    return dict(await cursor.fetchall())  # type: ignore[arg-type]


async def cancel_queued(connection: Connection, *, limit: int) -> int:
    """Take back messages of cancelled campaigns; returns how many."""
    cursor = await connection.execute(_SQL.cancel_queued, {"limit": limit})
    return cursor.rowcount


async def finish_campaigns(connection: Connection) -> int:
    """Mark campaigns that have nothing open; returns how many.

    Locked first and asked again: a campaign that finished while a re-drive filled it would keep
    messages in a queue that nobody reads.
    """
    cursor = await connection.execute(_SQL.lock_ended)
    ended = [row[0] for row in await cursor.fetchall()]
    if not ended:
        return 0
    cursor = await connection.execute(_SQL.finish_campaigns, {"campaign_ids": ended})
    return cursor.rowcount


async def ensure_partitions(connection: Connection, *, days_ahead: int) -> int:
    """Create missing partitions; returns how many."""
    cursor = await connection.execute(_SQL.ensure_partitions, {"days_ahead": days_ahead})
    row = await cursor.fetchone()
    return int(str(row[0])) if row else 0
