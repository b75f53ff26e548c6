"""Group commit: the webhooks that arrive while one commit is under way share the next one.

A body is acknowledged only after the commit that holds it. A crash between the commit and the
answer makes Meta send the body again; the applier counts each status once.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Final

import psycopg

from api.metrics import WEBHOOKS_PER_COMMIT
from core.errors import Unavailable
from core.logs import get_logger
from core.store.database import Pool, platform_transaction
from core.store.queries import load

_log = get_logger(__name__)
_sql = load("landing")
MAX_BODIES_PER_COMMIT: Final = 512
MAX_BYTES_PER_COMMIT: Final = 16 * 1024 * 1024
#: What may wait in memory for a commit; above it Meta is told to come again.
MAX_WAITING_BYTES: Final = 64 * 1024 * 1024
_PULSE_SECONDS: Final = 2.0
_COMMIT_SECONDS: Final = 4.0
#: Whoever was not stored by then is told to come again, whatever the database does: within five
#: seconds in all. Meta does not say how long it waits.
PATIENCE_SECONDS: Final = 4.75
_LOOK_SECONDS: Final = 0.25


@dataclass(slots=True)
class _Waiting:
    body: bytes
    landed: asyncio.Future[bool]
    since: float


class Landing:
    """The queue in memory between requests and commits; `land` returns after the commit."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._under_way: Sequence[_Waiting] = ()
        self._arrived = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to write; called once, inside the running loop."""
        self._tasks = [
            asyncio.create_task(self._write_for_ever(), name="landing"),
            asyncio.create_task(self._pulse_for_ever(), name="landing pulse"),
            asyncio.create_task(self._look_for_ever(), name="landing patience"),
        ]

    async def stop(self) -> None:
        """Finish the commit under way and refuse what still waits."""
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        while self._waiting:
            _answer(self._waiting.popleft(), landed=False)

    async def land(self, body: bytes) -> bool:
        """Whether the body is in the database now; False means that Meta must send it again.

        False may also be said of a body whose commit came too late: it is there twice then, and
        each status counts once.
        """
        if self._waiting_bytes + len(body) > MAX_WAITING_BYTES:
            return False
        loop = asyncio.get_running_loop()
        entry = _Waiting(body, loop.create_future(), loop.time())
        self._waiting.append(entry)
        self._waiting_bytes += len(body)
        self._arrived.set()
        return await entry.landed

    async def _write_for_ever(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                if batch := self._take():
                    await self._write(batch)

    async def _look_for_ever(self) -> None:
        """Answer whoever waits for too long: one timer for all, for one each cost 5 us a POST."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            patient_since = asyncio.get_running_loop().time() - PATIENCE_SECONDS
            for entry in chain(self._under_way, self._waiting):
                if entry.since > patient_since:
                    break
                _answer(entry, landed=False)

    async def _pulse_for_ever(self) -> None:
        """Write down that we listen; where that is missing, silence proves nothing (settler)."""
        while True:
            try:
                async with platform_transaction(self._pool, seconds=_COMMIT_SECONDS) as connection:
                    await connection.execute(_sql.record_pulse)
            except (psycopg.Error, Unavailable) as error:
                _log.warning("the pulse could not be written", problem=type(error).__name__)
            await asyncio.sleep(_PULSE_SECONDS)

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        while self._waiting and len(batch) < MAX_BODIES_PER_COMMIT and size < MAX_BYTES_PER_COMMIT:
            entry = self._waiting.popleft()
            size += len(entry.body)
            # Whoever gave up waiting sends it again.
            if not entry.landed.done():
                batch.append(entry)
        self._waiting_bytes -= size
        return batch

    async def _write(self, batch: list[_Waiting]) -> None:
        landed = False
        self._under_way = batch
        try:
            async with platform_transaction(self._pool, seconds=_COMMIT_SECONDS) as connection:
                await connection.execute(
                    _sql.land_bodies, {"bodies": [entry.body for entry in batch]}
                )
            landed = True
            WEBHOOKS_PER_COMMIT.observe(len(batch))
        except (psycopg.Error, Unavailable) as error:
            _log.error("webhooks could not be stored", count=len(batch), exc_info=error)
        finally:
            self._under_way = ()
            for entry in batch:
                _answer(entry, landed=landed)


def _answer(entry: _Waiting, *, landed: bool) -> None:
    if not entry.landed.done():
        entry.landed.set_result(landed)
