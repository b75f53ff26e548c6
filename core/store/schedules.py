"""What the scheduler reads and writes: what is due, series, campaigns that stand still."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row

from core.domain.ids import CampaignId, PhoneNumberId, TenantId, new_id
from core.store.database import Connection
from core.store.queries import load

_SQL = load("schedules")


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A campaign that the scheduler has put into another state."""

    tenant_id: TenantId
    campaign_id: CampaignId


@dataclass(frozen=True, slots=True, kw_only=True)
class DueSeries:
    """A series whose next campaign is to be made; `starts_at`, `next_local` are wall clocks."""

    tenant_id: TenantId
    series_id: UUID
    starts_at: datetime
    rule: str
    next_local: datetime
    next_at: datetime
    max_lateness_seconds: int
    timezone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """What became of an occurrence: a campaign, or the reason why none."""

    campaign_id: CampaignId | None
    skipped_reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """A running campaign with claimable messages of which none moves, and its number's rate."""

    tenant_id: TenantId
    campaign_id: CampaignId
    phone_number_id: PhoneNumberId
    granted_per_second: Decimal


async def mark_changed_templates(connection: Connection) -> list[Moved]:
    """Stop what was planned with another version of its template."""
    return await _moved(connection, _SQL.mark_changed_templates)


async def approve_by_series(connection: Connection) -> list[Moved]:
    """Approve plans that a standing approval covers."""
    return await _moved(connection, _SQL.approve_by_series)


async def pause_missed(connection: Connection) -> list[Moved]:
    """Pause approved campaigns whose time is longer ago than they may be late."""
    return await _moved(connection, _SQL.pause_missed)


async def start_due(connection: Connection) -> list[Moved]:
    """Start approved campaigns whose time has come."""
    return await _moved(connection, _SQL.start_due)


async def _moved(connection: Connection, statement: LiteralString) -> list[Moved]:
    async with connection.cursor(row_factory=class_row(Moved)) as cursor:
        await cursor.execute(statement)
        return await cursor.fetchall()


async def list_due_series(connection: Connection) -> list[DueSeries]:
    """Series that are due, locked for this transaction."""
    async with connection.cursor(row_factory=class_row(DueSeries)) as cursor:
        await cursor.execute(_SQL.list_due_series)
        return await cursor.fetchall()


async def make_occurrence(
    connection: Connection, series: DueSeries, *, campaign_id: CampaignId
) -> Occurrence | None:
    """Make the campaign of a series' next occurrence; None when the occurrence was there before."""
    async with connection.cursor(row_factory=class_row(Occurrence)) as cursor:
        await cursor.execute(
            _SQL.make_occurrence,
            {
                "tenant_id": series.tenant_id,
                "series_id": series.series_id,
                "occurrence": series.next_local,
                "occurs_at": series.next_at,
                "campaign_id": campaign_id,
                "list_id": new_id(),
            },
        )
        return await cursor.fetchone()


async def move_series_on(
    connection: Connection,
    series: DueSeries,
    *,
    next_local: datetime | None,
    next_at: datetime | None,
) -> None:
    """Note the occurrence that comes next; without one the series has ended."""
    await connection.execute(
        _SQL.move_series_on,
        {
            "tenant_id": series.tenant_id,
            "series_id": series.series_id,
            "next_local": next_local,
            "next_at": next_at,
        },
    )


async def list_stuck(connection: Connection, *, seconds: int) -> list[Stuck]:
    """Campaigns that could send, do not, and that nothing explains."""
    async with connection.cursor(row_factory=class_row(Stuck)) as cursor:
        await cursor.execute(_SQL.list_stuck, {"seconds": seconds})
        return await cursor.fetchall()


async def close_stalled(connection: Connection, still: Collection[CampaignId]) -> int:
    """Close the alerts of campaigns that are no longer stuck; returns how many."""
    cursor = await connection.execute(
        _SQL.close_stalled, {"still": [str(campaign_id) for campaign_id in still]}
    )
    return cursor.rowcount
