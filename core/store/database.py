"""Pools and transactions: opened at the edge, never held across a network call."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress
from functools import partial
from typing import Final, TypeVar
from uuid import UUID

import psycopg
from psycopg.abc import PQGen
from psycopg.conninfo import make_conninfo
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from core.correlation import current_request
from core.domain.ids import TenantId
from core.errors import Unavailable

Connection = psycopg.AsyncConnection[tuple[object, ...]]
_FROZEN_SECONDS: Final = 60
"""A transaction in which nothing happened for so long belongs to a process that froze."""
_GONE_SECONDS: Final = 10
"""How often the server looks whether the client of a statement that lasts is still there."""
_CONNECT_SECONDS: Final = 5
#: A peer that vanished, or a line that swallows everything, is known after nine seconds.
_TCP: Final = {
    "connect_timeout": _CONNECT_SECONDS,
    "keepalives_idle": 3,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 9_000,
}
_CHECK_SECONDS: Final = 2.0
"""A connection that says nothing for so long to an empty query is given up before its use."""
_FRESH_SECONDS: Final = 1.0
"""A connection that answered within this time is used without asking it once more."""
_ANSWER_SECONDS: Final = 60.0
"""Several times the longest statement, wait for a lock included, of any process but the planner."""
_BEGIN: Final = "begin"
_BEGIN_SNAPSHOT: Final = "begin isolation level repeatable read, read only"
_AWAY: Final = (
    PoolTimeout,
    psycopg.errors.AdminShutdown,
    psycopg.errors.CannotConnectNow,
    psycopg.errors.IdleInTransactionSessionTimeout,
)
_T = TypeVar("_T")


class _Line(psycopg.AsyncConnection[tuple[object, ...]]):
    """A connection that waits for the server's word for a bounded time only.

    Then it is cut, and the statement, or the commit, raises psycopg.OperationalError as if the
    server had gone: whoever may have committed must look, as after any crash.
    """

    answer_seconds = _ANSWER_SECONDS
    answered_at = float("-inf")

    async def wait(
        self,
        gen: PQGen[_T],
        interval: float = 0.1,
        timeout: float | None = None,  # noqa: ASYNC109 - psycopg's signature
    ) -> _T:
        with _CutAfter(self, self.answer_seconds):
            result = await super().wait(gen, interval, timeout)
        self.answered_at = time.monotonic()
        return result


Pool = AsyncConnectionPool[_Line]


@asynccontextmanager
async def open_pool(
    dsn: str,
    *,
    name: str,
    min_size: int = 1,
    max_size: int = 4,
    answer_seconds: float = _ANSWER_SECONDS,
    pooled: bool = False,
) -> AsyncIterator[Pool]:
    """A pool of connections to `dsn` (from Settings.dsn(role)); closed on leaving.

    `pooled`: `dsn` leads to PgBouncer in transaction mode, where the next transaction may meet
    another server connection. Nothing is then set for, or prepared in, a session: its login's own
    settings hold (deploy/README.md).

    A statement whose answer takes longer than `answer_seconds` raises psycopg.OperationalError; its
    connection is dropped, and the server ends what it was doing.

    Waits up to 10 s for the first connection and then raises Unavailable, so that a process with a
    wrong URL says so at its start instead of at its first message.
    """
    pool: Pool = AsyncConnectionPool(
        make_conninfo(dsn, **_TCP),
        connection_class=_Line,
        min_size=min_size,
        max_size=max_size,
        timeout=5.0,
        # The pool doubles the pause between its attempts up to this time and then waits for the
        # next request to try again. By default a server that was away for four minutes would be
        # tried again after four more.
        reconnect_timeout=5.0,
        max_idle=300.0,
        configure=partial(_guard, answer_seconds=answer_seconds, pooled=pooled),
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
async def open_connection(
    dsn: str, *, answer_seconds: float = _ANSWER_SECONDS
) -> AsyncIterator[Connection]:
    """One connection that commits each statement, for what lives as long as a session: a lock.

    `answer_seconds` as in open_pool.
    """
    address = make_conninfo(dsn, **_TCP)
    async with await _Line.connect(address, autocommit=True) as connection:
        await _guard(connection, answer_seconds=answer_seconds)
        yield connection


@asynccontextmanager
async def tenant_transaction(
    pool: Pool, tenant_id: TenantId, *, snapshot: bool = False, seconds: float | None = None
) -> AsyncIterator[Connection]:
    """One transaction that sees one tenant's rows only; with `snapshot`, all of one instant.

    After `seconds` it ends as if the server had gone: its statement, or its commit, raises
    psycopg.OperationalError.

    The tenant is set with set_config(..., is_local => true): it ends with the transaction, so a
    pooled connection (ours or PgBouncer's in transaction mode) never carries it to the next user.
    So is the request (core.correlation), for the rows that name it.
    """
    # The one place where values are written into SQL: they are UUIDs, or this raises. Both
    # statements travel together, without a parameter's protocol and a round trip for everybody.
    tenant, request = UUID(int=tenant_id.int), current_request()
    begin = _BEGIN_SNAPSHOT if snapshot else _BEGIN
    opening = (
        f"{begin}; select set_config('app.tenant_id', '{tenant}', true),"
        f" set_config('app.request_id', '{UUID(int=request.int) if request else ''}', true)"
    )
    async with _transaction(pool, opening.encode(), seconds) as connection:
        yield connection


@asynccontextmanager
async def platform_transaction(
    pool: Pool, *, seconds: float | None = None
) -> AsyncIterator[Connection]:
    """One transaction of a role that serves every tenant (worker, data, operator).

    Its queries name the tenant themselves; row-level security gives such a role all rows. `seconds`
    as in tenant_transaction.
    """
    async with _transaction(pool, _BEGIN.encode(), seconds) as connection:
        yield connection


@asynccontextmanager
async def single_statements(
    pool: Pool, *, seconds: float | None = None
) -> AsyncIterator[Connection]:
    """A connection on which each statement is a transaction of its own: one round trip, not three.

    For reads that need no tenant. `seconds` as in tenant_transaction.
    """
    try:
        async with pool.connection() as connection:
            with _end_after(connection, seconds):
                yield connection
    except _AWAY as error:
        raise _unavailable() from error


@asynccontextmanager
async def _transaction(
    pool: Pool, opening: bytes, seconds: float | None
) -> AsyncIterator[Connection]:
    try:
        async with pool.connection() as connection:
            with _end_after(connection, seconds):
                # Leaving by an exception rolls back: the pool's own way out does.
                await connection.execute(opening, prepare=False)
                yield connection
                # That way out would pass over a connection that is gone, and what it has lost.
                await connection.commit()
    except _AWAY as error:
        raise _unavailable() from error


def _unavailable() -> Unavailable:
    return Unavailable("the database does not answer in time; nothing was written")


def _end_after(connection: Connection, seconds: float | None) -> "_CutAfter | nullcontext[None]":
    return nullcontext() if seconds is None else _CutAfter(connection, seconds)


class _CutAfter:
    """Shuts the socket when the block takes longer: a frozen server then looks like one that left.

    Cancelling the task instead would wait for that server once more: psycopg asks it to cancel
    the query and to confirm it, for up to ten seconds (3.3.9). A class, for every statement of
    every process is inside one, and a generator costs twice as much.
    """

    __slots__ = ("_connection", "_seconds", "_timer")

    def __init__(self, connection: Connection, seconds: float) -> None:
        self._connection = connection
        self._seconds = seconds

    def __enter__(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._seconds, _cut, self._connection)

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


def _cut(connection: Connection) -> None:
    if not connection.closed:
        with socket.socket(fileno=os.dup(connection.fileno())) as line, suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)


async def _check(connection: _Line) -> None:
    """Raise psycopg.OperationalError unless the server answers; the pool takes another then."""
    if time.monotonic() - connection.answered_at < _FRESH_SECONDS:
        return
    with _CutAfter(connection, _CHECK_SECONDS):
        await AsyncConnectionPool.check_connection(connection)


async def _guard(connection: _Line, *, answer_seconds: float, pooled: bool = False) -> None:
    """A process that freezes, or a machine that vanishes, gives up its row locks: without this the
    others would wait for them as long as it stays, or two hours for a lost peer.

    So does a statement whose client was cut off: whoever waits for a lock would else be followed
    there by its own next try, and the next.

    And nothing is compiled: a partitioned table looks dear enough for PostgreSQL's JIT, which took
    170 ms for a look into an empty queue (PostgreSQL 15, 2026-11-23).
    """
    connection.answer_seconds = answer_seconds
    # Transactions are begun by name: `begin` then travels with what comes first in them.
    await connection.set_autocommit(True)
    if pooled:
        connection.prepare_threshold = None
        return
    with _CutAfter(connection, _CONNECT_SECONDS):
        await _set_limits(connection)


async def _set_limits(connection: Connection) -> None:
    await connection.execute(
        "select set_config('idle_in_transaction_session_timeout', %s, false),"
        " set_config('client_connection_check_interval', %s, false),"
        " set_config('tcp_keepalives_idle', %s, false),"
        " set_config('tcp_keepalives_interval', %s, false),"
        " set_config('tcp_keepalives_count', %s, false),"
        " set_config('jit', 'off', false)",
        (
            f"{_FROZEN_SECONDS}s",
            f"{_GONE_SECONDS}s",
            *(str(_TCP[f"keepalives_{name}"]) for name in ("idle", "interval", "count")),
        ),
        prepare=False,
    )
