"""Blocks and halts that Meta gave an end: lifted when it has come."""

from core.logs import get_logger
from core.store import notices
from core.store.database import Pool, platform_transaction

_log = get_logger(__name__)


async def end_restrictions(pool: Pool) -> int:
    """Lift what has ended, its alerts with it; returns how many accounts and templates."""
    async with platform_transaction(pool) as connection:
        ended = await notices.end_restrictions(connection)
    if ended:
        _log.info("restrictions ended", count=ended)
    return ended
