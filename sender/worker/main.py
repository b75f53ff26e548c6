"""The worker process."""

import asyncio
import os
import secrets
import socket
from typing import Final

import psycopg
import uvloop
from structlog.contextvars import bind_contextvars

from core.broker.envelopes import MAX_MESSAGES, Ticket
from core.errors import Unavailable
from core.logs import configure_logging, get_logger
from core.settings import DatabaseRole, Settings
from core.store.database import Pool, open_pool, platform_transaction
from core.store.dead_letters import bury_ticket
from core.whatsapp.client import open_session
from sender.processes import repeat, serve_own_metrics, stop_on_signals
from sender.worker.dispatcher import Dispatcher
from sender.worker.intake import Done, Intake
from sender.worker.journal import PostingJournal
from sender.worker.recovery import journal_folder, recover

_DRAIN_SECONDS: Final = 4.0
_RECORD_SECONDS: Final = 1.5
_RECOVER_SECONDS: Final = 1.0
_BURY_AGAIN_SECONDS: Final = 1.0
_log = get_logger(__name__)


def main(settings: Settings) -> None:
    """Send tickets until SIGTERM, then finish what is in flight within 5 s."""
    configure_logging("worker")
    with serve_own_metrics():
        uvloop.run(_run(settings))


async def _run(settings: Settings) -> None:
    stop = stop_on_signals()
    # Unique for ever: in a container every worker is process 1.
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    budget = max(2 * settings.meta_max_connections, MAX_MESSAGES)
    with PostingJournal(journal_folder(settings), worker=name, slots=budget) as journal:
        await _serve(settings, stop, journal, name=name, budget=budget)


async def _serve(
    settings: Settings, stop: asyncio.Event, journal: PostingJournal, *, name: str, budget: int
) -> None:
    dsn = settings.dsn(DatabaseRole.WORKER)
    async with (
        open_pool(dsn, name="worker", min_size=2, max_size=6) as pool,
        open_session(
            max_connections=settings.meta_max_connections,
            timeout_seconds=settings.send_timeout_seconds,
        ) as session,
    ):
        dispatcher = Dispatcher(
            settings, pool, session, worker=name, stopping=stop.is_set, journal=journal
        )
        desk = Desk(dispatcher, budget=budget)
        intake = Intake(settings, desk.deliver_from_thread, Graveyard(pool).bury_from_thread)
        intake.start()
        recovery = asyncio.create_task(_recover(settings, pool, stop))
        _log.info("worker started")
        await stop.wait()
        intake.stop_taking()
        await desk.close()
        intake.stop()
        await asyncio.to_thread(intake.join, 1.0)
        await recovery
        _log.info("worker stopped")


async def _recover(settings: Settings, pool: Pool, stop: asyncio.Event) -> None:
    """Look for dead workers of this machine, at the start and every second."""

    async def once() -> float:
        await recover(settings, pool)
        return _RECOVER_SECONDS

    await repeat(once, stop, name="recovery")


class Desk:
    """Turns delivered tickets into tasks; claims no more messages than it can send soon."""

    def __init__(self, dispatcher: Dispatcher, *, budget: int) -> None:
        """`budget`: messages claimed at once; a lease must not run out in a queue of ours."""
        self._loop = asyncio.get_running_loop()
        self._dispatcher = dispatcher
        self._free = max(budget, MAX_MESSAGES)
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    def deliver_from_thread(self, ticket: Ticket, done: Done) -> None:
        """Called by the intake's thread."""
        self._loop.call_soon_threadsafe(self._start, ticket, done)

    def _start(self, ticket: Ticket, done: Done) -> None:
        if self._closing:
            return  # not acknowledged: it goes back to the queue
        task = self._loop.create_task(self._handle(ticket, done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _handle(self, ticket: Ticket, done: Done) -> None:
        size = len(ticket.message_ids)
        # Each ticket is a task of its own: what is bound here ends with it.
        bind_contextvars(ticket_id=str(ticket.ticket_id))
        if len(ticket.request_ids) == 1:
            bind_contextvars(request_id=str(ticket.request_ids[0]))
        async with self._changed:
            await self._changed.wait_for(lambda: self._free >= size)
            self._free -= size
        try:
            await self._dispatcher.handle(ticket)
        except Unavailable as error:
            _log.warning("ticket dropped, its messages get another", code=error.code)
        except Exception:  # noqa: BLE001 - the edge of the process: one bad ticket stops no other
            _log.exception("ticket failed")
        finally:
            # A hint is consumed, whatever became of it: the rows say what is left to do.
            done()
            async with self._changed:
                self._free += size
                self._changed.notify_all()

    async def close(self) -> None:
        """Finish what is in flight; what is not finished in time is recorded as in doubt."""
        self._closing = True
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=_DRAIN_SECONDS)
        if late:
            self._dispatcher.abort()
            await asyncio.wait(late, timeout=_RECORD_SECONDS)


class Graveyard:
    """Keeps dead tickets in the database, and acknowledges each only when it is there."""

    def __init__(self, pool: Pool) -> None:
        """Nothing is written yet."""
        self._loop = asyncio.get_running_loop()
        self._pool = pool
        self._tasks: set[asyncio.Task[None]] = set()

    def bury_from_thread(self, body: bytes, reason: str, done: Done) -> None:
        """Called by the intake's thread."""
        self._loop.call_soon_threadsafe(self._start, body, reason, done)

    def _start(self, body: bytes, reason: str, done: Done) -> None:
        task = self._loop.create_task(self._bury(body, reason, done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _bury(self, body: bytes, reason: str, done: Done) -> None:
        while True:
            try:
                async with platform_transaction(self._pool) as connection:
                    await bury_ticket(connection, body, reason=reason)
            except (Unavailable, psycopg.OperationalError):
                # Unacknowledged, it stays with the broker, also when this process ends.
                await asyncio.sleep(_BURY_AGAIN_SECONDS)
            else:
                done()
                return
