"""What every part of the sender does alike: stop on a signal, survive a database that is away."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

import psycopg

from core.errors import CarteiroError, Unavailable
from core.logs import get_logger
from core.metrics import serve_metrics

_LONGEST_BACKOFF_SECONDS: Final = 5.0
_log = get_logger(__name__)


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set; to be called inside the running loop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def repeat(work: Callable[[], Awaitable[float]], stop: asyncio.Event, *, name: str) -> None:
    """Do `work` until stopped; it returns how many seconds to rest before the next time.

    A database or broker that is away is waited for; anything else is logged with its traceback and
    tried again, for one bad row must not end the process.
    """
    backoff = 0.2
    while not stop.is_set():
        try:
            rest = await work()
            backoff = 0.2
        except (Unavailable, psycopg.OperationalError) as error:
            code = error.code if isinstance(error, CarteiroError) else type(error).__name__
            _log.warning("cannot work now, trying again", part=name, code=code)
            rest, backoff = backoff, min(backoff * 2, _LONGEST_BACKOFF_SECONDS)
        except Exception:  # noqa: BLE001 - the edge of the process
            _log.exception("work failed, trying again", part=name)
            rest, backoff = backoff, min(backoff * 2, _LONGEST_BACKOFF_SECONDS)
        if rest > 0:
            await pause(stop, rest)


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Rest, but no longer than until the stop."""
    try:
        await asyncio.wait_for(stop.wait(), timeout=seconds)
    except TimeoutError:
        return


@contextmanager
def serve_own_metrics() -> Iterator[None]:
    """Serve this process's metrics on CARTEIRO_METRICS_PORT, when that is set."""
    port = os.environ.get("CARTEIRO_METRICS_PORT", "")
    if not port.isdigit():
        yield
        return
    server = serve_metrics(int(port))
    try:
        yield
    finally:
        server.stop()
