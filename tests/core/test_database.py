"""The pool against a server that goes away and comes back."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import psycopg
import pytest

from core.dsn import DatabaseRole
from core.errors import Unavailable
from core.settings import Settings
from core.store.database import Pool, open_pool, platform_transaction

_AWAY_SECONDS = 8.0


class Gate:
    """Stands before a real server; a shut gate refuses and cuts connections."""

    def __init__(self, host: str, port: int) -> None:
        self._server_address = (host, port)
        self._listener: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def open(self) -> None:
        self._listener = await asyncio.start_server(self._pass, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        if self._listener is not None:
            self._listener.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._server_address)
        self._writers |= {writer, far_writer}
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def gate_before(dsn: str) -> AsyncIterator[tuple[Gate, str]]:
    """A gate and the address that leads through it."""
    parts = psycopg.conninfo.conninfo_to_dict(dsn)
    gate = Gate(str(parts["host"]), int(str(parts["port"])))
    await gate.open()
    try:
        yield gate, psycopg.conninfo.make_conninfo(dsn, port=gate.port)
    finally:
        await gate.shut()


async def answers(pool: Pool) -> bool:
    try:
        async with platform_transaction(pool) as connection:
            await connection.execute("select 1")
    except (Unavailable, psycopg.OperationalError):
        return False
    return True


@pytest.mark.slow
async def test_a_server_that_was_away_is_used_again_within_three_seconds(
    database: Settings,
) -> None:
    async with (
        gate_before(database.dsn(DatabaseRole.WORKER)) as (gate, dsn),
        open_pool(dsn, name="through the gate", max_size=2) as pool,
    ):
        assert await answers(pool)
        await gate.shut()
        shut_at = time.monotonic()
        while time.monotonic() - shut_at < _AWAY_SECONDS:
            patience = _AWAY_SECONDS - (time.monotonic() - shut_at)
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    assert not await answers(pool)
        await gate.open()
        opened_at = time.monotonic()
        while not await answers(pool):
            continue
        assert time.monotonic() - opened_at < 3.0
