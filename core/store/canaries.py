"""The gates between a campaign's waves: what they ask, and what they decide, once."""

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from psycopg.rows import class_row

from core.domain.ids import CampaignId, TenantId
from core.store.database import Connection
from core.store.queries import load

_SQL = load("canaries")


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingCanary:
    """A running campaign whose next wave waits, with its signals (core/domain/canary.py)."""

    tenant_id: TenantId
    campaign_id: CampaignId
    canary: dict[str, object]
    released_wave: int
    released_at: datetime
    open_messages: int
    posted_messages: int
    heard_messages: int
    judged_messages: int
    failed_messages: int
    limited_messages: int
    template_stopped: str | None
    template_quality: str
    number_quality: str


async def list_waiting(connection: Connection) -> list[WaitingCanary]:
    """Every campaign with a wave to come; it reads the released waves' rows, the small ones."""
    async with connection.cursor(row_factory=class_row(WaitingCanary)) as cursor:
        await cursor.execute(_SQL.list_canaries)
        return await cursor.fetchall()


async def release_wave(connection: Connection, waiting: WaitingCanary) -> bool:
    """Let the next wave go; False when somebody was faster or the campaign is not running."""
    return await _decide(connection, _SQL.release_wave, waiting)


async def stop_campaign(connection: Connection, waiting: WaitingCanary, *, reason: str) -> bool:
    """Pause the campaign; False when somebody was faster or it is not running."""
    return await _decide(connection, _SQL.stop_campaign, waiting, reason=reason)


async def _decide(
    connection: Connection, query: LiteralString, waiting: WaitingCanary, **values: object
) -> bool:
    cursor = await connection.execute(
        query,
        {
            "tenant_id": waiting.tenant_id,
            "campaign_id": waiting.campaign_id,
            "released_wave": waiting.released_wave,
            **values,
        },
    )
    return cursor.rowcount == 1
