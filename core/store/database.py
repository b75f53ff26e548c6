"""Pools and transactions: opened at the edge, never held across a network call."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from core.domain.ids import TenantId
from core.errors import Unavailable

Connection = psycopg.AsyncConnection[tuple[object, ...]]
Pool = AsyncConnectionPool[Connection]
_FROZEN_SECONDS: Final = 60
"""A transaction in which nothing happened for so long belongs to a process that froze."""


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
        min_size=min_size,
        max_size=max_size,
        timeout=5.0,
        # The pool doubles the pause between its attempts up to this time and then waits for the
        # next request to try again. By default a server that was away for four minutes would be
        # tried again after four more.
        reconnect_timeout=5.0,
        max_idle=300.0,
        configure=_guard,
        check=AsyncConnectionPool.check_connection,
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
    pool: Pool, tenant_id: TenantId, *, snapshot: bool = False
) -> AsyncIterator[Connection]:
    """One transaction that sees one tenant's rows only; with `snapshot`, all of one instant.

    The tenant is set with set_config(..., is_local => true): it ends with the transaction, so a
    pooled connection (ours or PgBouncer's in transaction mode) never carries it to the next user.
    """
    async with _connection(pool) as connection, connection.transaction():
        if snapshot:
            # Must come before the transaction's first query, which is the one below.
            await connection.execute("set transaction isolation level repeatable read, read only")
        await connection.execute(
            "select set_config('app.tenant_id', %s, true)", (str(tenant_id),), prepare=False
        )
        yield connection


@asynccontextmanager
async def platform_transaction(pool: Pool) -> AsyncIterator[Connection]:
    """One transaction of a role that serves every tenant (worker, data, operator).

    Its queries name the tenant themselves; row-level security gives such a role all rows.
    """
    async with _connection(pool) as connection, connection.transaction():
        yield connection


@asynccontextmanager
async def _connection(pool: Pool) -> AsyncIterator[Connection]:
    try:
        async with pool.connection() as connection:
            yield connection
    except (
        PoolTimeout,
        psycopg.errors.AdminShutdown,
        psycopg.errors.CannotConnectNow,
        psycopg.errors.IdleInTransactionSessionTimeout,
    ) as error:
        raise Unavailable("the database does not answer in time; nothing was written") from error


async def _guard(connection: Connection) -> None:
    """A process that freezes, or a machine that vanishes, gives up its row locks: without this the
    others would wait for them as long as it stays, or two hours for a lost peer.

    And nothing is compiled: a partitioned table looks dear enough for PostgreSQL's JIT, which took
    170 ms for a look into an empty queue (PostgreSQL 15, 2026-11-23).
    """
    await connection.set_autocommit(True)
    await connection.execute(
        "select set_config('idle_in_transaction_session_timeout', %s, false),"
        " set_config('tcp_keepalives_idle', '10', false),"
        " set_config('tcp_keepalives_interval', '5', false),"
        " set_config('tcp_keepalives_count', '3', false),"
        " set_config('jit', 'off', false)",
        (f"{_FROZEN_SECONDS}s",),
        prepare=False,
    )
    await connection.set_autocommit(False)
