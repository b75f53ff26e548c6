"""A gate between us and a real server: shut, or frozen, while the server itself stands."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import psycopg


class Gate:
    """Stands before a real server; shut it refuses and cuts, frozen it takes and says nothing."""

    def __init__(self, host: str, port: int) -> None:
        self._server_address = (host, port)
        self._listener: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._moves = asyncio.Event()
        self._moves.set()
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

    def freeze(self) -> None:
        """Keep every connection, take new ones, and let no byte through."""
        self._moves.clear()

    def thaw(self) -> None:
        self._moves.set()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._moves.wait()
        far_reader, far_writer = await asyncio.open_connection(*self._server_address)
        self._writers |= {writer, far_writer}
        await asyncio.gather(self._copy(reader, far_writer), self._copy(far_reader, writer))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                await self._moves.wait()
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
