"""What ends because time has passed: held and undelivered messages, old inbound texts."""

from typing import Final

from core.settings import Settings
from core.store import expiry
from core.store.database import Pool, platform_transaction
from sender.consequences import open_alert

_BATCH: Final = 5_000


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
        dropped = await expiry.expire_undelivered(
            connection, buffer_seconds=settings.ttl_buffer_seconds, limit=_BATCH
        )
    async with platform_transaction(pool) as connection:
        await expiry.open_free_entry_points(connection)
        await expiry.delete_old_inbound(
            connection, days=settings.inbound_retention_days, limit=_BATCH
        )
    return dropped + sum(held.messages for held in given_up)
