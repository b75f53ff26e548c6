"""Seals audit entries: numbers and hashes, put in behind the requests so that none waits."""

import time
from typing import Final

from core.domain.audit import Head
from core.domain.ids import TenantId
from core.logs import get_logger
from core.metrics import AUDIT_ENTRIES_SEALED, AUDIT_UNSEALED_SECONDS
from core.store import audit
from core.store.database import Pool, platform_transaction

_BATCH: Final = 1_000
_IDLE_SECONDS: Final = 1.0
_HEAD_SECONDS: Final = 600.0
_LATE_SECONDS: Final = 60.0
_KEEP_SECONDS: Final = 3_600.0
_log = get_logger(__name__)


class SealRounds:
    """A batch at a time, of every tenant; where several run, one of them seals.

    The head of a chain that has moved goes into the log every ten minutes at most: a copy that
    nobody with the database's password can change.
    """

    def __init__(self, pool: Pool) -> None:
        """Nothing is known yet."""
        self._pool = pool
        self._heads: dict[TenantId, Head] = {}
        self._told_at = float("-inf")
        self._kept_at = float("-inf")

    async def once(self) -> float:
        """One round; returns how long to rest."""
        if time.monotonic() - self._kept_at >= _KEEP_SECONDS:
            async with platform_transaction(self._pool) as connection:
                await audit.keep_partitions(connection)
            self._kept_at = time.monotonic()
        sealed = await self.seal()
        await self._measure()
        self._tell_heads()
        return 0.0 if sealed == _BATCH else _IDLE_SECONDS

    async def seal(self) -> int:
        """Seal one batch; returns how many entries."""
        async with platform_transaction(self._pool) as connection:
            sealed, heads = await audit.seal_batch(connection, limit=_BATCH)
        self._heads.update(heads)
        AUDIT_ENTRIES_SEALED.inc(sealed)
        return sealed

    async def _measure(self) -> None:
        async with platform_transaction(self._pool) as connection:
            seconds = await audit.measure_lag(connection)
        AUDIT_UNSEALED_SECONDS.set(seconds)
        if seconds > _LATE_SECONDS:
            _log.error("audit entries wait for their seal", seconds=round(seconds))

    def _tell_heads(self) -> None:
        if time.monotonic() - self._told_at < _HEAD_SECONDS:
            return
        for tenant_id, head in self._heads.items():
            _log.info("head of an audit chain", tenant_id=str(tenant_id), audit_head=str(head))
        self._heads.clear()
        self._told_at = time.monotonic()
