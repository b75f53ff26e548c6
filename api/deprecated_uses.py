"""Counts how often each tenant uses what is deprecated, without a request waiting for it.

Counted in memory and added to the table every few seconds: a process that is killed loses at most
those. One that ends in order loses none.
"""

import asyncio
from collections import Counter, defaultdict
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Final

import psycopg

from api.auth import TRANSACTION_SECONDS
from api.rows import execute
from core.domain.ids import TenantId
from core.errors import Unavailable
from core.logs import get_logger
from core.store.database import Pool, tenant_transaction
from core.store.queries import load

_sql = load("deprecations")
FLUSH_SECONDS: Final = 5.0
_log = get_logger(__name__)
_Use = tuple[TenantId, str, date]


class DeprecatedUses:
    """The counts of one process that aren't in the table yet."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._counted: Counter[_Use] = Counter()
        self._task: asyncio.Task[None] | None = None

    def count(self, tenant_id: TenantId, operation: str, at: datetime) -> None:
        """Remember one use; the day is that of UTC."""
        self._counted[tenant_id, operation, at.astimezone(UTC).date()] += 1

    def start(self) -> None:
        """Begin to write down every few seconds."""
        self._task = asyncio.create_task(self._write_on())

    async def stop(self) -> None:
        """Write down what is left."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self.flush()

    async def flush(self) -> None:
        """Write down what was counted; what can't be written now is kept for the next time."""
        counted, self._counted = self._counted, Counter()
        by_tenant: defaultdict[TenantId, list[tuple[_Use, int]]] = defaultdict(list)
        for use, times in counted.items():
            by_tenant[use[0]].append((use, times))
        for tenant_id, uses in by_tenant.items():
            try:
                await self._add(tenant_id, uses)
            except (Unavailable, psycopg.Error) as error:
                self._counted.update(dict(uses))
                _log.warning("uses were not written down", problem=type(error).__name__)

    async def _add(self, tenant_id: TenantId, uses: list[tuple[_Use, int]]) -> None:
        parameters = {
            "tenant_id": tenant_id,
            "operations": [operation for (_, operation, _), _ in uses],
            "days": [day for (_, _, day), _ in uses],
            "uses": [times for _, times in uses],
        }
        async with tenant_transaction(
            self._pool, tenant_id, seconds=TRANSACTION_SECONDS
        ) as connection:
            await execute(connection, _sql.add_uses, parameters)

    async def _write_on(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush()
