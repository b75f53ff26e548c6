"""The warehouse as the API sees it: opened at the first question, absent until the first run."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import psycopg

from api.problems import Problem
from core.domain.ids import TenantId
from core.dsn import DatabaseRole, with_role
from core.errors import Unavailable
from core.settings import Settings
from core.store.database import Connection, Pool, open_pool, tenant_transaction


class Warehouse:
    """Tenant-bound reads of the published views. Raises Problem 503 while there are none."""

    def __init__(self, settings: Settings) -> None:
        self._dsn = with_role(settings.warehouse_dsn(), DatabaseRole.APP)
        self._stack = AsyncExitStack()
        self._pool: Pool | None = None
        self._opening = asyncio.Lock()

    async def close(self) -> None:
        await self._stack.aclose()

    @asynccontextmanager
    async def transaction(self, tenant_id: TenantId) -> AsyncIterator[Connection]:
        """One transaction on the warehouse that sees one tenant's rows."""
        pool = await self._opened()
        try:
            async with tenant_transaction(pool, tenant_id) as connection:
                yield connection
        except (
            psycopg.errors.UndefinedTable,
            psycopg.errors.InvalidSchemaName,
            psycopg.errors.InsufficientPrivilege,
        ) as error:
            raise _not_ready() from error

    async def _opened(self) -> Pool:
        async with self._opening:
            if self._pool is None:
                await self._probe()
                try:
                    self._pool = await self._stack.enter_async_context(
                        open_pool(self._dsn, name="warehouse", min_size=0, max_size=4)
                    )
                except Unavailable as error:
                    raise _not_ready() from error
            return self._pool

    async def _probe(self) -> None:
        """A pool retries for long; one plain connection says at once that there is no warehouse."""
        try:
            connection = await psycopg.AsyncConnection.connect(self._dsn, connect_timeout=3)
        except psycopg.OperationalError as error:
            raise _not_ready() from error
        await connection.close()


def _not_ready() -> Problem:
    return Problem("warehouse-not-ready", "the warehouse holds no published usage yet")
