"""The applier process; any number may run."""

import asyncio
import gc
import time
from typing import Final

import uvloop

from core.logs import configure_logging, get_logger
from core.settings import DatabaseRole, Settings
from core.store.database import Pool, open_pool, platform_transaction
from core.store.switches import accepts_webhooks_only
from sender.applier.applier import apply_batch, count_waiting, retry_orphans
from sender.processes import repeat, serve_own_metrics, stop_on_signals

# A batch has its fixed price, a dozen statements however few bodies: at 300 bodies a second a rest
# makes batches of sixty out of batches of ten, and nobody waits for a report so long.
_REST_SECONDS: Final = 0.2
_WORTH_A_BATCH: Final = 100
# A batch makes a hundred thousand objects and no cycle among them: looking for cycles in them every
# 700 was a fifth of the CPU time (2026-11).
_OBJECTS_A_LOOK: Final = 100_000
_ORPHAN_SECONDS: Final = 2.0
_SWITCHED_OFF_SECONDS: Final = 0.5
_log = get_logger(__name__)


def main(settings: Settings) -> None:
    """Apply webhook bodies until SIGTERM."""
    configure_logging("applier")
    gc.freeze()
    gc.set_threshold(_OBJECTS_A_LOOK, 20, 20)
    with serve_own_metrics():
        uvloop.run(_run(settings))


async def _run(settings: Settings) -> None:
    stop = stop_on_signals()
    dsn = settings.dsn(DatabaseRole.WORKER)
    async with open_pool(dsn, name="applier", max_size=3) as pool:
        rounds = Rounds(pool)
        await asyncio.gather(
            repeat(rounds.once, stop, name="applier"),
            repeat(rounds.beside, stop, name="applier.beside"),
        )
    _log.info("applier stopped")


class Rounds:
    """Batches without a rest while full ones wait; orphans every two seconds.

    While full ones wait two are under way: Python reads one as PostgreSQL writes the other. That is
    what two processes would do, and as safe: a body is taken by one, and rows are locked in order.
    """

    def __init__(self, pool: Pool) -> None:
        """Nothing is read yet."""
        self._pool = pool
        self._orphans_at = float("-inf")
        self._waits = False
        self._behind = False

    async def once(self) -> float:
        """One batch; returns how long to rest. None while webhooks are only to be kept."""
        if await self._must_wait():
            self._behind = False
            return _SWITCHED_OFF_SECONDS
        if time.monotonic() - self._orphans_at >= _ORPHAN_SECONDS:
            await retry_orphans(self._pool)
            await count_waiting(self._pool)
            self._orphans_at = time.monotonic()
        return await self._apply()

    async def beside(self) -> float:
        """One more batch while the last one was full; returns how long to rest."""
        return await self._apply() if self._behind else _REST_SECONDS

    async def _apply(self) -> float:
        self._behind = await apply_batch(self._pool) >= _WORTH_A_BATCH
        return 0.0 if self._behind else _REST_SECONDS

    async def _must_wait(self) -> bool:
        async with platform_transaction(self._pool) as connection:
            waits = await accepts_webhooks_only(connection)
        if waits != self._waits:
            _log.warning("webhooks are kept, not applied" if waits else "webhooks are applied")
            self._waits = waits
        return waits
