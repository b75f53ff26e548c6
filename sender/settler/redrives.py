"""Re-drives: what failed is tried again because a person asked, never by itself."""

from typing import Final

from core.store.database import Pool, platform_transaction
from core.store.redrives import advance_redrive

_BATCH: Final = 5_000


async def carry_out_redrives(pool: Pool) -> int:
    """One batch of the oldest re-drive; returns how many messages went back into the queue."""
    async with platform_transaction(pool) as connection:
        return await advance_redrive(connection, limit=_BATCH) or 0
