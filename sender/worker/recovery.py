"""What dead workers left behind: at once back into the queue, or in doubt."""

from pathlib import Path
from typing import Final

import psycopg

from core.errors import Unavailable
from core.logs import get_logger
from core.settings import Settings
from core.store import dispatch
from core.store.database import Pool, platform_transaction
from sender.consequences import open_quarantine_alerts
from sender.worker.journal import Estate, find_estates

_FOLDER: Final = "postings"
_log = get_logger(__name__)


def journal_folder(settings: Settings) -> Path:
    """Where the workers of this machine keep their marks."""
    return settings.home / _FOLDER


async def recover(settings: Settings, pool: Pool) -> int:
    """Settle the claims of this machine's dead workers; returns how many there were.

    Any worker may do it, at any time: the lock on a file says that its worker is dead, and one
    file is settled by one process. A database that is away leaves the file for the next time.
    """
    settled = 0
    for estate in find_estates(journal_folder(settings)):
        try:
            settled += await _settle(pool, estate)
        except (Unavailable, psycopg.OperationalError) as error:
            _log.warning("a dead worker's claims must wait", problem=type(error).__name__)
            break
        estate.close()
    return settled


async def _settle(pool: Pool, estate: Estate) -> int:
    async with platform_transaction(pool) as connection:
        released = await dispatch.release_claims(
            connection, worker=estate.worker, posted=estate.marks
        )
        await open_quarantine_alerts(
            connection, [(one.tenant_id, one.message_id) for one in released if one.is_poison]
        )
    if released:
        queued = sum(one.state == "queued" for one in released)
        _log.warning("a worker died; its unsent messages are queued again", count=queued)
    return len(released)
