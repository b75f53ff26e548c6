"""The planner process, which also works off imports; any number may run."""

import asyncio
from typing import Final

import uvloop

from core.logs import configure_logging, get_logger
from core.settings import DatabaseRole, Settings
from core.store.database import Pool, open_pool
from sender.importer.importer import import_next
from sender.planner.planner import plan_next
from sender.processes import repeat, serve_own_metrics, stop_on_signals

_IDLE_SECONDS: Final = 0.25
#: One look at a whole audience, or the end of a plan of millions, is one statement.
_ANSWER_SECONDS: Final = 600.0
_log = get_logger(__name__)


def main(settings: Settings) -> None:
    """Plan campaigns until SIGTERM."""
    configure_logging("planner")
    with serve_own_metrics():
        uvloop.run(_run(settings))


async def _run(settings: Settings) -> None:
    stop = stop_on_signals()
    dsn = settings.dsn(DatabaseRole.WORKER)
    async with open_pool(dsn, name="planner", max_size=4, answer_seconds=_ANSWER_SECONDS) as pool:
        await asyncio.gather(
            repeat(lambda: _once(pool), stop, name="planner"),
            # Apart: a file of a million rows must not make a plan wait.
            repeat(lambda: _import_once(pool), stop, name="importer"),
        )
    _log.info("planner stopped")


async def _once(pool: Pool) -> float:
    return 0.0 if await plan_next(pool) else _IDLE_SECONDS


async def _import_once(pool: Pool) -> float:
    return 0.0 if await import_next(pool) else _IDLE_SECONDS
