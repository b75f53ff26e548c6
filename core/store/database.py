"""Pools and transactions: opened at the edge, never held across a network call."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Final

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from core.domain.ids import TenantId
from core.errors import Unavailable

Connection = psycopg.AsyncConnection[tuple[object, ...]]
Pool = AsyncConnectionPool[Connection]
_FROZEN_SECONDS: Final = 60
"""A transaction in which nothing happened for so long belongs to a process that froze."""
_CONNECT_SECONDS: Final = 5
_CHECK_SECONDS: Final = 2.0
"""A connection that says nothing for so long to an empty query is given up before its use."""


@asynccontextmanager
async def open_pool(
    dsn: str, *, name: str, min_size: int = 1, max_size: int = 4
) -> AsyncIterator[Pool]:
    """A pool of connections to `dsn` (from Settings.dsn(role)); closed on leaving.

    Waits up to 10 s for the first connection and then raises Unavailable, so that a process with a
    wrong URL says so at its start instead of at its first message.
    """
    pool: Pool = AsyncConnectionPool(
        dsn,
        kwargs={"connect_timeout": _CONNECT_SECONDS},
        min_size=min_size,
        max_size=max_size,
        timeout=5.0,
        # The pool doubles the pause between its attempts up to this time and then waits for the
        # next request to try again. By default a server that was away for four minutes would be
        # tried again after four more.
        reconnect_timeout=5.0,
        max_idle=300.0,
        configure=_guard,
        check=_check,
        open=False,
        name=name,
    )
    try:
        await pool.open(wait=True, timeout=10.0)
    except PoolTimeout as error:
        await pool.close()
        raise Unavailable(
            "the database does not answer; check CARTEIRO_DATABASE_URL and that it is up"
        ) from error
    try:
        yield pool
    finally:
        await pool.close(timeout=5.0)


@asynccontextmanager
async def tenant_transaction(
    pool: Pool, tenant_id: TenantId, *, snapshot: bool = False, seconds: float | None = None
) -> AsyncIterator[Connection]:
    """One transaction that sees one tenant's rows only; with `snapshot`, all of one instant.

    After `seconds` it ends as if the server had gone: its statement, or its commit, raises
    psycopg.OperationalError.

    The tenant is set with set_config(..., is_local => true): it ends with the transaction, so a
    pooled connection (ours or PgBouncer's in transaction mode) never carries it to the next user.
    """
    async with _connection(pool, seconds) as connection, connection.transaction():
        if snapshot:
            # Must come before the transaction's first query, which is the one below.
            await connection.execute("set transaction isolation level repeatable read, read only")
        await connection.execute(
            "select set_config('app.tenant_id', %s, true)", (str(tenant_id),), prepare=False
        )
        yield connection


@asynccontextmanager
async def platform_transaction(
    pool: Pool, *, seconds: float | None = None
) -> AsyncIterator[Connection]:
    """One transaction of a role that serves every tenant (worker, data, operator).

    Its queries name the tenant themselves; row-level security gives such a role all rows. `seconds`
    as in tenant_transaction.
    """
    async with _connection(pool, seconds) as connection, connection.transaction():
        yield connection


@asynccontextmanager
async def _connection(pool: Pool, seconds: float | None) -> AsyncIterator[Connection]:
    try:
        async with pool.connection() as connection:
            if seconds is None:
                yield connection
                return
            with _cut_after(connection, seconds):
                yield connection
    except (
        PoolTimeout,
        psycopg.errors.AdminShutdown,
        psycopg.errors.CannotConnectNow,
        psycopg.errors.IdleInTransactionSessionTimeout,
    ) as error:
        raise Unavailable("the database does not answer in time; nothing was written") from error


@contextmanager
def _cut_after(connection: Connection, seconds: float) -> Iterator[None]:
    """Shut the socket when the block takes longer: a frozen server then looks like one that left.

    Cancelling the task instead would wait for that server once more: psycopg asks it to cancel
    the query and to confirm it, for up to ten seconds (3.3.9).
    """
    timer = asyncio.get_running_loop().call_later(seconds, _cut, connection)
    try:
        yield
    finally:
        timer.cancel()


def _cut(connection: Connection) -> None:
    if not connection.closed:
        with socket.socket(fileno=os.dup(connection.fileno())) as line, suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)


async def _check(connection: Connection) -> None:
    """Raise psycopg.OperationalError unless the server answers; the pool takes another then."""
    with _cut_after(connection, _CHECK_SECONDS):
        await AsyncConnectionPool.check_connection(connection)


async def _guard(connection: Connection) -> None:
    """A process that freezes, or a machine that vanishes, gives up its row locks: without this the
    others would wait for them as long as it stays, or two hours for a lost peer.

    And nothing is compiled: a partitioned table looks dear enough for PostgreSQL's JIT, which took
    170 ms for a look into an empty queue (PostgreSQL 15, 2026-11-23).
    """
    await connection.set_autocommit(True)
    with _cut_after(connection, _CONNECT_SECONDS):
        await _set_limits(connection)
    await connection.set_autocommit(False)


async def _set_limits(connection: Connection) -> None:
    await connection.execute(
        "select set_config('idle_in_transaction_session_timeout', %s, false),"
        " set_config('tcp_keepalives_idle', '10', false),"
        " set_config('tcp_keepalives_interval', '5', false),"
        " set_config('tcp_keepalives_count', '3', false),"
        " set_config('jit', 'off', false)",
        (f"{_FROZEN_SECONDS}s",),
        prepare=False,
    )
