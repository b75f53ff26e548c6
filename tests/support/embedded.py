"""The embedded servers as tests use them: started in a throw-away folder, fsync off."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from carteiro import processes
from carteiro.home import Home, free_port
from carteiro.postgres import EmbeddedPostgres
from carteiro.valkey import EmbeddedValkey


@contextmanager
def embedded_postgres(folder: Path) -> Iterator[EmbeddedPostgres]:
    """A running PostgreSQL 18 that is gone, with its data, when the block ends."""
    home = Home(folder)
    home.prepare()
    server = EmbeddedPostgres(
        folder=home.path / "postgres",
        identity=home.identity(),
        port=free_port(),
        password=secrets.token_urlsafe(12),
        durable=False,
    )
    with running(server.prepare(), home, "postgres", server):
        yield server
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
