"""The planner process; any number may run."""

from typing import Final

import uvloop

from core.logs import configure_logging, get_logger
from core.settings import DatabaseRole, Settings
from core.store.database import Pool, open_pool
from sender.planner.planner import plan_next
from sender.processes import repeat, serve_own_metrics, stop_on_signals

_IDLE_SECONDS: Final = 0.25
_log = get_logger(__name__)


def main(settings: Settings) -> None:
    """Plan campaigns until SIGTERM."""
    configure_logging("planner")
    with serve_own_metrics():
        uvloop.run(_run(settings))


async def _run(settings: Settings) -> None:
    stop = stop_on_signals()
    dsn = settings.dsn(DatabaseRole.WORKER)
    async with open_pool(dsn, name="planner", max_size=4) as pool:
        await repeat(lambda: _once(pool), stop, name="planner")
    _log.info("planner stopped")


async def _once(pool: Pool) -> float:
    return 0.0 if await plan_next(pool) else _IDLE_SECONDS
