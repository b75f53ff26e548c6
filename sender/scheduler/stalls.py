"""Campaigns that could send and do not, imports that nobody works at: people are told."""

import time
from dataclasses import dataclass, field
from typing import Final

from core.domain.ids import CampaignId
from core.logs import get_logger
from core.store import imports, schedules
from core.store.database import Pool, platform_transaction
from core.store.schedules import Stuck
from sender.consequences import open_alert

KIND: Final = "campaign_stalled"
IMPORT_KIND: Final = "import_waiting"
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


async def look_at_imports(pool: Pool, *, seconds: int) -> int:
    """Open alerts for imports that wait for longer than `seconds`, close the others'.

    Returns how many wait.
    """
    async with platform_transaction(pool) as connection:
        waiting = await imports.list_waiting(connection, seconds=seconds)
        for one in waiting:
            await open_alert(
                connection,
                tenant_id=one.tenant_id,
                kind=IMPORT_KIND,
                subject=str(one.import_id),
                detail=f"nobody has worked at it for {one.waited_seconds} s: look at the planners",
            )
        await imports.close_waiting(connection, [one.import_id for one in waiting])
    if waiting:
        _log.warning("imports wait", count=len(waiting))
    return len(waiting)
