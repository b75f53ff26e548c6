"""A campaign that could send and does not: people are told, once nothing explains it."""

import time
from dataclasses import dataclass, field
from typing import Final

from core.domain.ids import CampaignId
from core.logs import get_logger
from core.store import schedules
from core.store.database import Pool, platform_transaction
from core.store.schedules import Stuck
from sender.consequences import open_alert

KIND: Final = "campaign_stalled"
_log = get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class StallWatch:
    """Remembers since when each campaign is seen stuck.

    The alarm comes after `seconds` of being stuck at every look: a number whose pause has just
    ended, a night that is just over, are no stalls.
    """

    seconds: int
    _since: dict[CampaignId, float] = field(default_factory=dict)

    async def look(self, pool: Pool, *, at: float | None = None) -> list[Stuck]:
        """Open alerts for what stalls, close those of what moves; returns what stalls now."""
        now = time.monotonic() if at is None else at
        async with platform_transaction(pool) as connection:
            stuck = await schedules.list_stuck(connection, seconds=self.seconds)
            self._since = {one.campaign_id: self._since.get(one.campaign_id, now) for one in stuck}
            stalled = [one for one in stuck if now - self._since[one.campaign_id] >= self.seconds]
            for one in stalled:
                await open_alert(
                    connection,
                    tenant_id=one.tenant_id,
                    kind=KIND,
                    subject=str(one.campaign_id),
                    detail=self._facts(one),
                )
            closed = await schedules.close_stalled(connection, [one.campaign_id for one in stuck])
        for one in stalled:
            _log.warning(
                "a campaign stalls",
                tenant_id=str(one.tenant_id),
                campaign_id=str(one.campaign_id),
                phone_number_id=one.phone_number_id,
            )
        if closed:
            _log.info("stalled campaigns move again", count=closed)
        return stalled

    def _facts(self, one: Stuck) -> str:
        return (
            f"messages may be claimed and none has moved for {self.seconds} s; not paused, halted, "
            f"blocked, switched off, quiet, or at a limit; number {one.phone_number_id} is granted "
            f"{one.granted_per_second} a second: look at pacer, broker, workers"
        )
