"""The applier process; any number may run."""

import time
from typing import Final

import uvloop

from core.logs import configure_logging, get_logger
from core.settings import DatabaseRole, Settings
from core.store.database import Pool, open_pool, platform_transaction
from core.store.switches import accepts_webhooks_only
from sender.applier.applier import apply_batch, count_waiting, retry_orphans
from sender.processes import repeat, serve_own_metrics, stop_on_signals

_IDLE_SECONDS: Final = 0.05
_ORPHAN_SECONDS: Final = 2.0
_SWITCHED_OFF_SECONDS: Final = 0.5
_log = get_logger(__name__)


def main(settings: Settings) -> None:
    """Apply webhook bodies until SIGTERM."""
    configure_logging("applier")
    with serve_own_metrics():
        uvloop.run(_run(settings))


async def _run(settings: Settings) -> None:
    stop = stop_on_signals()
    dsn = settings.dsn(DatabaseRole.WORKER)
    async with open_pool(dsn, name="applier", max_size=2) as pool:
        await repeat(Rounds(pool).once, stop, name="applier")
    _log.info("applier stopped")


class Rounds:
    """Batches without a rest while there is work; orphans every two seconds."""

    def __init__(self, pool: Pool) -> None:
        """Nothing is read yet."""
        self._pool = pool
        self._orphans_at = float("-inf")
        self._waits = False

    async def once(self) -> float:
        """One batch; returns how long to rest. None while webhooks are only to be kept."""
        if await self._must_wait():
            return _SWITCHED_OFF_SECONDS
        if time.monotonic() - self._orphans_at >= _ORPHAN_SECONDS:
            await retry_orphans(self._pool)
            await count_waiting(self._pool)
            self._orphans_at = time.monotonic()
        return 0.0 if await apply_batch(self._pool) else _IDLE_SECONDS

    async def _must_wait(self) -> bool:
        async with platform_transaction(self._pool) as connection:
            waits = await accepts_webhooks_only(connection)
        if waits != self._waits:
            _log.warning("webhooks are kept, not applied" if waits else "webhooks are applied")
            self._waits = waits
        return waits
