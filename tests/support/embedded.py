"""The embedded servers as tests use them: started in a throw-away folder, fsync off."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from carteiro import processes
from carteiro.home import Home, free_port
from carteiro.postgres import EmbeddedPostgres, system_folder
from carteiro.valkey import EmbeddedValkey

_MEMORY: Final = Path("/dev/shm")
_PREFIX: Final = "carteiro-test-"
_ROOM_BYTES: Final = 4 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresInMemory(EmbeddedPostgres):
    """Its cluster lies on a file system in memory.

    A test's database is a copy of 1,170 files: 0.13 s there instead of 0.76 s on ext4, with its
    end, while both cores were busy (2026-11-23).
    """

    @property
    def base(self) -> Path:
        """Named after this process, so that a later one can tell what nobody needs any more."""
        return _MEMORY / f"{_PREFIX}{os.getpid()}-{self.identity}"

    def _make_folders(self) -> None:
        # No super(): slots make a dataclass anew, which Python 3.11 does not follow.
        EmbeddedPostgres._make_folders(self)
        if self.account:
            # Where root's clusters usually lie: as long as one does, nobody deletes the programs.
            self._place.mkdir(parents=True, exist_ok=True)
            (self._place / "home").write_text(f"{self.folder.parent}\n")

    def remove(self) -> None:
        """Delete the cluster and what points to it."""
        EmbeddedPostgres.remove(self)
        shutil.rmtree(self._place, ignore_errors=True)

    @property
    def _place(self) -> Path:
        return system_folder() / self.identity


def _has_memory() -> bool:
    """Whether there is room for the databases of a few tests; containers often have 64 MB."""
    return _MEMORY.is_dir() and (
        os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free >= _ROOM_BYTES
    )


def _remove_leftovers() -> None:
    """Give back the memory of test processes that were killed."""
    for folder in _MEMORY.glob(f"{_PREFIX}*"):
        owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def embedded_postgres(folder: Path) -> Iterator[EmbeddedPostgres]:
    """A running PostgreSQL 18 that is gone, with its data, when the block ends."""
    home = Home(folder)
    home.prepare()
    _remove_leftovers()
    kind = PostgresInMemory if _has_memory() else EmbeddedPostgres
    server = kind(
        folder=home.path / "postgres",
        identity=home.identity(),
        port=free_port(),
        password=secrets.token_urlsafe(12),
        durable=False,
    )
    try:
        with running(server.prepare(), home, "postgres", server):
            yield server
    finally:
        server.remove()


@contextmanager
def embedded_valkey(folder: Path) -> Iterator[EmbeddedValkey]:
    """A running Valkey without persistence."""
    home = Home(folder)
    home.prepare()
    server = EmbeddedValkey(
        folder=home.path / "valkey",
        port=free_port(),
        password=secrets.token_urlsafe(12),
        durable=False,
    )
    with running(server.prepare(), home, "valkey", server):
        yield server


@contextmanager
def running(
    command: processes.Command,
    home: Home,
    name: str,
    server: EmbeddedPostgres | EmbeddedValkey,
) -> Iterator[None]:
    log_file = home.logs / f"{name}.log"
    process = processes.start(command, log_file=log_file, stack_id=home.identity())
    try:
        if not processes.wait_until(
            lambda: process.poll() is not None or server.is_ready(), timeout_seconds=60
        ):
            raise TimeoutError(f"{name} did not become ready: {log_file.read_text()[-2000:]}")
        if process.poll() is not None:
            raise RuntimeError(f"{name} ended at start: {log_file.read_text()[-2000:]}")
        yield
    finally:
        processes.stop(process, command)
