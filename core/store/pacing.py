"""What the pacer reads and writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from psycopg.rows import class_row, scalar_row

from core.domain.ids import CampaignId, MessageId, PhoneNumberId, TenantId
from core.store.database import Connection
from core.store.queries import load

_SQL = load("pacing")
PACER_LOCK: Final = 7_243_002
"""The advisory lock of the one pacer that leads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingNumber:
    """A number that may send now, at `granted_per_second`."""

    tenant_id: TenantId
    phone_number_id: PhoneNumberId
    granted_per_second: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningCampaign:
    """A campaign that may send now; no message of it has an id below `first_id`."""

    tenant_id: TenantId
    campaign_id: CampaignId
    phone_number_id: PhoneNumberId
    first_id: MessageId


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedSingle:
    """A queued message of no campaign."""

    tenant_id: TenantId
    phone_number_id: PhoneNumberId
    message_id: MessageId


async def try_lead(connection: Connection) -> bool:
    """Whether this session leads the pacers from now on, until it ends or freezes for 6 s."""
    cursor = await connection.execute(_SQL.try_lead, {"lock": PACER_LOCK})
    row = await cursor.fetchone()
    if not row or not row[0]:
        return False
    await connection.execute(_SQL.guard_leadership)
    return True


async def list_numbers(connection: Connection) -> list[SendingNumber]:
    """Every number that may send now."""
    async with connection.cursor(row_factory=class_row(SendingNumber)) as cursor:
        await cursor.execute(_SQL.list_numbers)
        return await cursor.fetchall()


async def list_running_campaigns(connection: Connection) -> list[RunningCampaign]:
    """Every campaign that may send now, the earliest launched first."""
    async with connection.cursor(row_factory=class_row(RunningCampaign)) as cursor:
        await cursor.execute(_SQL.list_running_campaigns)
        return await cursor.fetchall()


async def list_queued_singles(connection: Connection, *, limit: int) -> list[QueuedSingle]:
    """Queued messages of no campaign, at most `limit` a number, the oldest first."""
    async with connection.cursor(row_factory=class_row(QueuedSingle)) as cursor:
        await cursor.execute(_SQL.list_queued_singles, {"limit": limit})
        return await cursor.fetchall()


async def list_queued_of_campaign(
    connection: Connection, campaign: RunningCampaign, *, after: MessageId, limit: int
) -> list[MessageId]:
    """The next `limit` messages of a campaign that may go out now, in the order of their ids."""
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(
            _SQL.list_queued_of_campaign,
            {
                "tenant_id": campaign.tenant_id,
                "campaign_id": campaign.campaign_id,
                "after": after,
                "limit": limit,
            },
        )
        return await cursor.fetchall()


async def list_still_queued(
    connection: Connection, probes: Sequence[tuple[TenantId, MessageId]]
) -> set[MessageId]:
    """Those of these messages that nobody has claimed yet."""
    if not probes:
        return set()
    ids = [message_id for _, message_id in probes]
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(
            _SQL.list_still_queued,
            {
                "tenant_ids": [tenant_id for tenant_id, _ in probes],
                "message_ids": ids,
                "lowest": min(ids),
                "highest": max(ids),
            },
        )
        return set(await cursor.fetchall())


async def raise_grants(connection: Connection) -> int:
    """Give throttled numbers a little of their rate back; returns how many rose."""
    cursor = await connection.execute(_SQL.raise_grants)
    return cursor.rowcount
