"""A PostgreSQL of a test's own that can be stopped in the middle of anything, and moved again."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.support.databases import DatabaseServer
from tests.support.embedded import embedded_postgres


class Ice:
    """SIGSTOP for all processes of one server: the kernel takes what is sent, nobody reads it."""

    def __init__(self, postmaster: psutil.Process) -> None:
        self._postmaster = postmaster
        self._stopped: list[psutil.Process] = []
        #: Set by the first freeze.
        self.frozen = asyncio.Event()

    def freeze(self) -> None:
        # The postmaster first, so that no new one comes up behind us.
        self._postmaster.suspend()
        self._stopped = [self._postmaster]
        self.frozen.set()
        for process in self._postmaster.children(recursive=True):
            process.suspend()
            self._stopped.append(process)

    def thaw(self) -> None:
        for process in reversed(self._stopped):
            process.resume()
        self._stopped = []


@contextmanager
def freezable_postgres(folder: Path) -> Iterator[tuple[DatabaseServer, psutil.Process]]:
    """The server and its postmaster, for an Ice; it must move again when the block ends."""
    with embedded_postgres(folder) as server:
        first_line = (server.data / "postmaster.pid").read_text().splitlines()[0]
        yield (
            DatabaseServer(label="freezable", admin_dsn=server.dsn(), strategy="file_copy"),
            psutil.Process(int(first_line)),
        )
