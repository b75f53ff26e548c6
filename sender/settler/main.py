"""The settler process, which also runs the scheduler and the sealer; any number may run."""

import asyncio
import time
from typing import Final

import psycopg
import uvloop

from core.logs import configure_logging, get_logger
from core.settings import DatabaseRole, Settings
from core.store import dispatch, settlement
from core.store.database import Pool, open_pool, platform_transaction
from sender.processes import repeat, serve_own_metrics, stop_on_signals
from sender.scheduler.scheduler import run_schedules
from sender.scheduler.stalls import StallWatch, look_at_imports
from sender.settler.canaries import ask_gates
from sender.settler.expiry import expire
from sender.settler.redrives import carry_out_redrives
from sender.settler.restrictions import end_restrictions
from sender.settler.sealer import SealRounds
from sender.settler.settler import settle

_IDLE_SECONDS: Final = 1.0
_PARTITION_SECONDS: Final = 3_600.0
_EXPIRY_SECONDS: Final = 60.0
_GATE_SECONDS: Final = 5.0
_PRUNE_SECONDS: Final = 300.0
_LOOKS_A_STALL: Final = 4
_RESTRICTION_SECONDS: Final = 10.0
_log = get_logger(__name__)


def main(settings: Settings) -> None:
    """Settle until SIGTERM."""
    configure_logging("settler")
    with serve_own_metrics():
        uvloop.run(_run(settings))


async def _run(settings: Settings) -> None:
    stop = stop_on_signals()
    dsn = settings.dsn(DatabaseRole.WORKER)
    async with open_pool(dsn, name="settler", max_size=3) as pool:
        await asyncio.gather(
            repeat(Rounds(settings, pool).once, stop, name="settler"),
            # Apart: a long round of the settler must not make a campaign late.
            repeat(ScheduleRounds(settings, pool).once, stop, name="scheduler"),
            repeat(SealRounds(pool).once, stop, name="sealer"),
        )
    _log.info("settler stopped")


class Rounds:
    """A round a second, without a rest while there is work; what time ends once a minute."""

    def __init__(self, settings: Settings, pool: Pool) -> None:
        """Nothing is done yet."""
        self._settings = settings
        self._pool = pool
        self._partitions_at = float("-inf")
        self._expiry_at = float("-inf")
        self._gates_at = float("-inf")
        self._prune_at = float("-inf")
        self._restrictions_at = float("-inf")

    async def once(self) -> float:
        """One round; returns how long to rest."""
        if time.monotonic() - self._partitions_at >= _PARTITION_SECONDS:
            await self._make_partitions()
            self._partitions_at = time.monotonic()
        if time.monotonic() - self._expiry_at >= _EXPIRY_SECONDS and not await expire(
            self._settings, self._pool
        ):
            self._expiry_at = time.monotonic()
        if time.monotonic() - self._prune_at >= _PRUNE_SECONDS:
            async with platform_transaction(self._pool) as connection:
                await dispatch.prune_paces(connection)
                await settlement.forget_pulses(
                    connection, keep_seconds=2 * self._settings.in_doubt_quiet_seconds + 3_600
                )
            self._prune_at = time.monotonic()
        if time.monotonic() - self._gates_at >= _GATE_SECONDS:
            await ask_gates(self._pool)
            self._gates_at = time.monotonic()
        if time.monotonic() - self._restrictions_at >= _RESTRICTION_SECONDS:
            await end_restrictions(self._pool)
            self._restrictions_at = time.monotonic()
        moved = await carry_out_redrives(self._pool) + await settle(self._settings, self._pool)
        return 0.0 if moved else _IDLE_SECONDS

    async def _make_partitions(self) -> None:
        try:
            async with platform_transaction(self._pool) as connection:
                created = await settlement.ensure_partitions(
                    connection, days_ahead=self._settings.partition_days_ahead
                )
        except psycopg.OperationalError:
            raise
        except psycopg.Error:
            # Two weeks of partitions are there; leases and doubts cannot wait for the next.
            _log.exception("partitions cannot be created")
            return
        if created:
            _log.info("partitions created", count=created)


class ScheduleRounds:
    """Schedules every second; stalls are looked for four times within what counts as one."""

    def __init__(self, settings: Settings, pool: Pool) -> None:
        """Nothing is known yet."""
        self._settings = settings
        self._pool = pool
        self._watch = StallWatch(seconds=settings.stalled_seconds)
        self._looked_at = float("-inf")

    async def once(self) -> float:
        """One round; returns how long to rest."""
        await run_schedules(self._pool)
        now = time.monotonic()
        if now - self._looked_at >= self._watch.seconds / _LOOKS_A_STALL:
            await self._watch.look(self._pool)
            await look_at_imports(self._pool, seconds=self._settings.import_wait_seconds)
            self._looked_at = now
        return _IDLE_SECONDS
