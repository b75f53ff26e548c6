"""Where requests are counted: GCRA in Redis, one command on a connection of one's own.

The client's pool, its retries and hooks and its own clocks took more than half of the CPU of a
count (2026-11-24), and none of it is wanted: whoever counts waits for a bounded time, never tries a
second time, and closes a connection that was given up.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, cast

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError
from throttled.asyncio import BaseRateLimiter, RateLimiterRegistry, RateLimiterType, RedisStore
from throttled.asyncio.rate_limiter.gcra import RedisLimitAtomicAction
from throttled.asyncio.store import RedisStoreBackend
from throttled.rate_limiter import Quota
from throttled.types import KeyT, StoreValueT

_CONNECTIONS: Final = 8
_PREFIX: Final = "carteiro:rate"


class _Backend(RedisStoreBackend):
    """The connections of one process."""

    def __init__(self, server: str | None, options: dict[str, Any] | None) -> None:
        super().__init__(server, options)
        client = cast("Redis", cast("object", self.get_client()))
        self._make = client.connection_pool.make_connection
        self._idle: list[AbstractConnection] = []
        self._free = asyncio.Semaphore(_CONNECTIONS)

    @asynccontextmanager
    async def line(self) -> AsyncIterator[AbstractConnection]:
        """A connection that nobody else uses meanwhile; closed when it isn't left in order."""
        async with self._free:
            line = self._idle.pop() if self._idle else self._make()  # type: ignore[no-untyped-call]
            try:
                yield line
            except BaseException:
                # Its answer may still come, and must not be taken for the next one's; and where
                # one connection broke, the others that are as old may have broken too.
                for each in (line, *self._idle):
                    await each.disconnect(nowait=True)
                self._idle.clear()
                raise
            self._idle.append(line)

    async def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            await self._idle.pop().disconnect()


class RedisCounters(RedisStore):
    """Counts for all processes."""

    _BACKEND_CLASS = _Backend

    def __init__(self, url: str, *, connect_seconds: float) -> None:
        """Connects with the first count."""
        line = {
            # asyncio.wait_for makes a task of every command; the caller has a clock.
            "socket_timeout": None,
            "socket_connect_timeout": connect_seconds,
            "retry": Retry(NoBackoff(), 0),
        }
        super().__init__(server=url, options={"CONNECTION_POOL_KWARGS": line})

    def limiter(self, pace: Quota) -> BaseRateLimiter:
        """Counts against one limit."""
        kind = RateLimiterRegistry.get(RateLimiterType.GCRA.value)
        return kind(pace, self, additional_atomic_actions=[_Count], key_prefix=_PREFIX)

    async def close(self) -> None:
        """Leave Redis."""
        await cast("_Backend", self._backend).close()


class _Count(RedisLimitAtomicAction):
    """The library's script, sent without anything around it."""

    async def do(
        self, keys: Sequence[KeyT], args: Sequence[StoreValueT] | None
    ) -> tuple[int, int, float, float]:
        """Whether it is one too many, how many are left, and the seconds until then."""
        values = (len(keys), *keys, *(args or ()))
        async with cast("_Backend", self._backend).line() as line:
            await line.send_command("EVALSHA", self._script.sha, *values)
            try:
                answer = await line.read_response()
            except NoScriptError:
                # A Redis that has restarted, or been flushed, has no scripts.
                await line.send_command("EVAL", self._script.script, *values)
                answer = await line.read_response()
        limited, remaining, reset_after, retry_after = answer
        return limited, remaining, float(reset_after), float(retry_after)
