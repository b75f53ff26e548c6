"""What ends because time has passed: messages unsent, held, undelivered; old texts and keys."""

from typing import Final

from core.settings import Settings
from core.store import expiry, leftovers
from core.store.database import Pool, platform_transaction
from sender.consequences import open_alert

_BATCH: Final = 5_000
_SWEEP: Final = 20_000
# A million a minute at most: leases and doubts wait meanwhile.
_SWEEPS: Final = 50
# A worker that claims it says so as well, and sooner.
_GRACE_SECONDS: Final = 60


async def expire(settings: Settings, pool: Pool) -> int:
    """One round over everything that time ends; returns how many messages were moved.

    A full batch means that there is more: call again.
    """
    async with platform_transaction(pool) as connection:
        given_up = await expiry.expire_held(
            connection, held_seconds=settings.held_limit_seconds, limit=_BATCH
        )
        for held in sorted(given_up, key=lambda held: (held.tenant_id, held.subject)):
            await open_alert(
                connection,
                tenant_id=held.tenant_id,
                kind="held_too_long",
                subject=held.subject,
                detail=f"Meta held {held.messages} messages and never decided; they are expired.",
            )
    async with platform_transaction(pool) as connection:
        unsent = await expiry.expire_unsent(
            connection,
            grace_seconds=_GRACE_SECONDS,
            campaign_days=settings.campaign_limit_days,
            limit=_BATCH,
        )
    dropped = unsent + await _expire_undelivered(settings, pool)
    async with platform_transaction(pool) as connection:
        await expiry.open_free_entry_points(connection)
        await expiry.delete_old_inbound(
            connection, days=settings.inbound_retention_days, limit=_BATCH
        )
    await _forget_leftovers(pool)
    return dropped + sum(held.messages for held in given_up)


async def _forget_leftovers(pool: Pool) -> None:
    for _ in range(_SWEEPS):
        async with platform_transaction(pool) as connection:
            if await leftovers.forget(connection, limit=_BATCH) < _BATCH:
                return


async def _expire_undelivered(settings: Settings, pool: Pool) -> int:
    async with platform_transaction(pool) as connection:
        await expiry.note_times_to_live(connection)
    dropped = 0
    for _ in range(_SWEEPS):
        async with platform_transaction(pool) as connection:
            swept = await expiry.expire_undelivered(
                connection, buffer_seconds=settings.ttl_buffer_seconds, limit=_SWEEP
            )
        dropped += swept.expired
        if not swept.is_more:
            break
    return dropped
