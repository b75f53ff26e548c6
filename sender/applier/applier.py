"""One batch of webhook bodies: all at once when all is well, one by one when something is not."""

from collections import Counter
from collections.abc import Sequence
from typing import Final, cast

import psycopg

from core.clock import utc_now
from core.errors import Unavailable
from core.logs import get_logger
from core.metrics import BODIES_WAITING, UPDATES_APPLIED, WEBHOOK_AGE_SECONDS
from core.store import webhooks
from core.store.database import Connection, Pool, platform_transaction
from core.store.webhooks import DueBody, FoundOrphan
from core.whatsapp.updates import HistoryUpdate, StatusUpdate, Update
from core.whatsapp.webhooks import parse_updates
from sender.applier.arrivals import Arrived, read_status
from sender.applier.locks import lock_in_order
from sender.applier.notices import apply_notice
from sender.applier.people import PEOPLE, apply_history, apply_people, senders_of
from sender.applier.statuses import apply_statuses

# A batch is what the process holds at once: larger ones cost no less a status, but memory that
# grows with the backlog (1,000 bodies of ten: 35 MB more than 250, 2026-11).
_BATCH_BODIES: Final = 250
_ORPHANS: Final = 2_000
_MAX_ATTEMPTS: Final = 5
_ORPHAN_DAYS: Final = 8
_log = get_logger(__name__)


async def apply_batch(pool: Pool) -> int:
    """Apply the oldest bodies that wait; returns how many were taken out of the queue.

    A batch is one transaction. When anything in it raises, its bodies are applied one by one, each
    update in a savepoint, so that one bad update never blocks its neighbours; what keeps raising is
    put aside after five tries. A database that is away raises psycopg.OperationalError or
    Unavailable.
    """
    try:
        async with platform_transaction(pool) as connection:
            bodies = await webhooks.take_due_bodies(connection, limit=_BATCH_BODIES)
            await _apply_together(connection, bodies)
            await webhooks.delete_applied(connection, [body.body_id for body in bodies])
        _observe(bodies)
        return len(bodies)
    except (psycopg.OperationalError, Unavailable):
        # No body is to blame: one by one they would only take a minute longer.
        raise
    except Exception:  # noqa: BLE001 - whatever it was, it must not hold up the others
        _log.exception("a batch of webhooks failed, applying its bodies one by one")
    return await _apply_apart(pool)


async def _apply_together(connection: Connection, bodies: Sequence[DueBody]) -> None:
    arrived = [update for body in bodies for update in _arrivals(body)]
    people = [item for item in arrived if isinstance(item.update, PEOPLE)]
    histories = [_as_history(item) for item in arrived if isinstance(item.update, HistoryUpdate)]
    statuses = [_as_status(item) for item in arrived if isinstance(item.update, StatusUpdate)]
    if people or histories:
        speakers = await senders_of(connection, [*people, *histories])
        await lock_in_order(connection, speakers, statuses)
    # In this order, for everybody locks messages before people (sender/applier/locks.py).
    if statuses:
        await apply_statuses(connection, statuses)
    if people:
        await apply_people(connection, people)
    for history in histories:
        await apply_history(connection, history)
    for item in arrived:
        if not isinstance(item.update, (StatusUpdate, HistoryUpdate, *PEOPLE)):
            await apply_notice(connection, item)
    for kind, count in Counter(type(item.update).__name__ for item in arrived).items():
        UPDATES_APPLIED.labels(kind, "seen").inc(count)


async def _apply_apart(pool: Pool) -> int:
    """The same bodies (or their successors), each in a transaction of its own."""
    applied = 0
    for _ in range(_BATCH_BODIES):
        async with platform_transaction(pool) as connection:
            bodies = await webhooks.take_due_bodies(connection, limit=1)
            if not bodies:
                return applied
            failed = [
                item for item in _arrivals(bodies[0]) if not await _apply_one(connection, item)
            ]
            await _close_body(connection, bodies[0], failed)
            applied += 1
    return applied


async def _apply_one(connection: Connection, item: Arrived[Update]) -> bool:
    """Apply one update in a savepoint; False when it raised."""
    try:
        async with connection.transaction():
            if isinstance(item.update, StatusUpdate):
                await apply_statuses(connection, [_as_status(item)])
            elif isinstance(item.update, PEOPLE):
                await apply_people(connection, [item])
            elif isinstance(item.update, HistoryUpdate):
                await apply_history(connection, _as_history(item))
            else:
                await apply_notice(connection, item)
    except psycopg.OperationalError:
        raise
    except Exception:  # noqa: BLE001 - one bad update must not hold up the others
        _log.exception("an update of a webhook failed", body_id=item.body_id)
        return False
    return True


async def _close_body(
    connection: Connection, body: DueBody, failed: Sequence[Arrived[Update]]
) -> None:
    """Done, to be tried again, or what keeps failing put aside."""
    if failed and body.attempts + 1 < _MAX_ATTEMPTS:
        await webhooks.postpone_body(connection, body_id=body.body_id, seconds=2.0**body.attempts)
        return
    for item in failed:
        UPDATES_APPLIED.labels(type(item.update).__name__, "quarantined").inc()
        await webhooks.quarantine_update(
            connection,
            tenant_id=None,
            body_id=item.body_id,
            received_at=item.received_at,
            update_index=item.update.position,
            reason="processing_failed",
            detail=f"{type(item.update).__name__} raised {_MAX_ATTEMPTS} times",
        )
    await webhooks.delete_applied(connection, [body.body_id])


async def retry_orphans(pool: Pool) -> int:
    """Apply statuses whose message has turned up since; returns how many were tried."""
    try:
        async with platform_transaction(pool) as connection:
            found = await webhooks.take_found_orphans(connection, limit=_ORPHANS)
            if found:
                await apply_statuses(connection, [_orphan(item) for item in found])
    except (Unavailable, psycopg.OperationalError):
        raise
    except Exception:  # noqa: BLE001 - one bad orphan must not hold up every webhook
        _log.exception("a batch of orphans failed, applying them one by one")
        found = await _retry_apart(pool)
    async with platform_transaction(pool) as connection:
        await webhooks.quarantine_old_orphans(connection, days=_ORPHAN_DAYS)
    return len(found)


async def _retry_apart(pool: Pool) -> list[FoundOrphan]:
    """The same orphans, each in a savepoint; what raises is put aside, its body stays."""
    async with platform_transaction(pool) as connection:
        found = await webhooks.take_found_orphans(connection, limit=_ORPHANS)
        for item in found:
            try:
                async with connection.transaction():
                    await apply_statuses(connection, [_orphan(item)])
            except psycopg.OperationalError:
                raise
            except Exception:  # noqa: BLE001 - as above
                _log.exception("an orphan failed", body_id=item[1])
                await webhooks.quarantine_update(
                    connection,
                    tenant_id=None,
                    body_id=item[1],
                    received_at=item[2],
                    update_index=0,
                    reason="processing_failed",
                    detail="an orphan that could not be applied",
                )
    return found


def _orphan(found: FoundOrphan) -> Arrived[StatusUpdate]:
    values, body_id, first_seen = found
    return Arrived(update=read_status(values), body_id=body_id, received_at=first_seen)


async def count_waiting(pool: Pool) -> int:
    """Bodies not yet applied, also shown as a metric."""
    async with platform_transaction(pool) as connection:
        waiting = await webhooks.count_waiting(connection)
    BODIES_WAITING.set(waiting)
    return waiting


def _observe(bodies: Sequence[DueBody]) -> None:
    now = utc_now()
    for body in bodies:
        WEBHOOK_AGE_SECONDS.observe((now - body.received_at).total_seconds())


def _arrivals(body: DueBody) -> list[Arrived[Update]]:
    return [
        Arrived(update=update, body_id=body.body_id, received_at=body.received_at)
        for update in parse_updates(body.body)
    ]


def _as_history(item: Arrived[Update]) -> Arrived[HistoryUpdate]:
    if not isinstance(item.update, HistoryUpdate):
        raise TypeError("not a history")
    return Arrived(update=item.update, body_id=item.body_id, received_at=item.received_at)


def _as_status(item: Arrived[Update]) -> Arrived[StatusUpdate]:
    if not isinstance(item.update, StatusUpdate):
        raise TypeError("not a status")
    return cast(Arrived[StatusUpdate], item)
