"""What was stopped after its claim and before its post: a claim that had to wait is asked again.

A claim asks everything, and a post follows it within milliseconds, unless Meta is slow: then claims
wait at our gate, and a pause must hold for those too.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from core.domain.ids import MessageId, TenantId
from core.store.database import Pool, platform_transaction
from core.store.dispatch import list_stopped

ASK_SECONDS: Final = 0.5
"""How old an answer may be: together with a post's own time this keeps a pause within 2 s."""


class Stops:
    """The claims of one ticket; asks the database once for all of them, when the last is old."""

    def __init__(self, pool: Pool, tenant_id: TenantId) -> None:
        """To be made just before the claim, which is the first answer."""
        self._pool = pool
        self._tenant_id = tenant_id
        self._asked_at = time.monotonic()
        self._stopped: frozenset[MessageId] = frozenset()
        self._asking = asyncio.Lock()

    async def holds(self, message_id: MessageId, waiting: Sequence[MessageId]) -> bool:
        """Whether this claim may not be posted any more; `waiting` are those of its ticket.

        Raises what the database raises: unasked nothing goes.
        """
        async with self._asking:
            asked_at = time.monotonic()
            if asked_at - self._asked_at >= ASK_SECONDS:
                async with platform_transaction(self._pool) as connection:
                    self._stopped = await list_stopped(
                        connection, tenant_id=self._tenant_id, message_ids=waiting
                    )
                self._asked_at = asked_at
        return message_id in self._stopped
