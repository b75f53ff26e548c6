"""The notifier process; any number may run."""

import asyncio
from collections.abc import Awaitable
from typing import Final

import uvloop

from core.logs import configure_logging, get_logger
from core.outgoing import open_guarded_session
from core.settings import DatabaseRole, Settings
from core.store.database import open_pool
from sender.notifier.notifier import Notifier
from sender.processes import pause, repeat, serve_own_metrics, stop_on_signals

_TELL_SECONDS: Final = 0.25
_CLAIM_SECONDS: Final = 0.2
_UPKEEP_SECONDS: Final = 10.0
_GATHER_SECONDS: Final = 0.02
"""Outcomes of so long are recorded together: a commit for each would be the limit of all."""
_HOUSEKEEPING_SECONDS: Final = 3_600.0
_DRAIN_SECONDS: Final = 4.0
_log = get_logger(__name__)


def main(settings: Settings) -> None:
    """Notify until SIGTERM."""
    configure_logging("notifier")
    with serve_own_metrics():
        uvloop.run(run(settings, None))


async def run(settings: Settings, stop: asyncio.Event | None) -> None:
    """Notify until `stop` is set; None: until SIGTERM or SIGINT."""
    stop = stop or stop_on_signals()
    async with (
        open_pool(settings.dsn(DatabaseRole.WORKER), name="notifier", max_size=4) as pool,
        open_guarded_session(
            settings.destination_rules(), timeout_seconds=settings.webhook_timeout_seconds
        ) as session,
    ):
        rounds = _Rounds(Notifier(settings, pool, session), stop)
        await asyncio.gather(
            repeat(rounds.tell, stop, name="notifier.tell"),
            repeat(rounds.claim, stop, name="notifier.claim"),
            repeat(rounds.record, stop, name="notifier.record"),
            repeat(rounds.upkeep, stop, name="notifier.upkeep"),
            repeat(rounds.housekeeping, stop, name="notifier.housekeeping"),
        )
        await rounds.finish()
    _log.info("notifier stopped")


class _Rounds:
    """Each round of the notifier and how long it rests after."""

    def __init__(self, notifier: Notifier, stop: asyncio.Event) -> None:
        self._notifier = notifier
        self._stop = stop

    async def tell(self) -> float:
        return 0.0 if await self._notifier.tell() else _TELL_SECONDS

    async def claim(self) -> float:
        if not await self._notifier.claim():
            await _either(self._notifier.wait_for_room(), pause(self._stop, _CLAIM_SECONDS))
        return 0.0

    async def record(self) -> float:
        await _either(self._notifier.wait_for_outcomes(), self._stop.wait())
        await pause(self._stop, _GATHER_SECONDS)
        await self._notifier.record()
        return 0.0

    async def upkeep(self) -> float:
        return 0.0 if await self._notifier.upkeep() else _UPKEEP_SECONDS

    async def housekeeping(self) -> float:
        await self._notifier.housekeeping()
        return _HOUSEKEEPING_SECONDS

    async def finish(self) -> None:
        await self._notifier.finish(_DRAIN_SECONDS)


async def _either(*waits: Awaitable[object]) -> None:
    """Until the first of them is over."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
