"""The pacer process: one leads, the others wait for its session to end."""

import asyncio
import time
from typing import Final

import uvloop

from core.broker.connection import TicketPublisher
from core.errors import BrokerUnavailable
from core.logs import configure_logging, get_logger
from core.settings import DatabaseRole, Settings
from core.store import pacing
from core.store.database import open_connection
from sender.pacer.pacer import Pacer
from sender.processes import pause, repeat, serve_own_metrics, stop_on_signals

_TICK_SECONDS: Final = 0.1
_STANDBY_SECONDS: Final = 1.0
_BROKER_PATIENCE_SECONDS: Final = 5.0
_log = get_logger(__name__)


def main(settings: Settings) -> None:
    """Lead or stand by until SIGTERM."""
    configure_logging("pacer")
    with serve_own_metrics():
        uvloop.run(_run(settings))


async def _run(settings: Settings) -> None:
    stop = stop_on_signals()
    with TicketPublisher(settings) as publisher:
        await repeat(lambda: _serve(settings, publisher, stop), stop, name="pacer")
    _log.info("pacer stopped")


async def _serve(settings: Settings, publisher: TicketPublisher, stop: asyncio.Event) -> float:
    """Wait for the lead and keep it as long as the session lives; returns the rest to take."""
    dsn = settings.dsn(DatabaseRole.WORKER)
    async with open_connection(dsn) as connection:
        while not stop.is_set() and not await pacing.try_lead(connection):
            await pause(stop, _STANDBY_SECONDS)
        if stop.is_set():
            return 0.0
        _log.info("pacer leads")
        await _lead(Pacer(connection, publisher), stop)
    return 0.0


async def _lead(pacer: Pacer, stop: asyncio.Event) -> None:
    """Tick until stopped; a pacer that cannot reach the broker hands the lead to another."""
    failing_since: float | None = None
    while not stop.is_set():
        began = time.monotonic()
        try:
            await pacer.tick()
            failing_since = None
        except BrokerUnavailable:
            failing_since = failing_since or began
            if began - failing_since > _BROKER_PATIENCE_SECONDS:
                raise
            await pause(stop, 0.5)
        await pause(stop, max(0.0, _TICK_SECONDS - (time.monotonic() - began)))
