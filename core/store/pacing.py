"""What the pacer reads and writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple, cast
from uuid import UUID

from psycopg.rows import class_row, scalar_row

from core.domain.ids import (
    CampaignId,
    MessageId,
    PhoneNumberId,
    TemplateId,
    TenantId,
    WabaId,
)
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
    portfolio_id: str
    granted_per_second: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningCampaign:
    """A campaign that may send its waves up to `released_wave` now, by `template_ids`.

    No message of it has an id below `first_id`. `urgent`: its people wait for a code.
    `template_ids`: its own and its variants' templates, but those that are halted.
    """

    tenant_id: TenantId
    campaign_id: CampaignId
    phone_number_id: PhoneNumberId
    urgent: bool
    released_wave: int
    template_ids: list[TemplateId]
    #: Who launched it; None for the run of a series.
    request_id: UUID | None
    first_id: MessageId


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedCursor:
    """How far one wave of a campaign was read: up to (`after_due`, `after_id`), None being first.

    The order is (wave, not_before, message id); `limit` is the size of the next page.
    """

    campaign: RunningCampaign
    wave: int
    after_due: datetime | None
    after_id: MessageId
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DueMessage:
    """A queued message that may go now, and the instant it waited for."""

    message_id: MessageId
    not_before: datetime | None


class DueSingle(NamedTuple):
    """A queued message of no campaign that may go now, and the request that asked for it."""

    message_id: MessageId
    request_id: UUID | None


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


async def list_due_singles(
    connection: Connection, wanted: Sequence[tuple[SendingNumber, int]]
) -> dict[PhoneNumberId, list[DueSingle]]:
    """Queued messages of no campaign, of each number at most as many as wanted, in their order."""
    found: dict[PhoneNumberId, list[DueSingle]] = {}
    if not wanted:
        return found
    cursor = await connection.execute(
        _SQL.list_due_singles,
        {
            "tenant_ids": [number.tenant_id for number, _ in wanted],
            "phone_number_ids": [number.phone_number_id for number, _ in wanted],
            "limits": [limit for _, limit in wanted],
        },
    )
    # A page at once: row by row costs more in Python than the query in PostgreSQL.
    rows = cast("list[tuple[str, UUID, UUID | None]]", await cursor.fetchall())
    for phone_number_id, message_id, request_id in rows:
        single = DueSingle(MessageId(message_id), request_id)
        found.setdefault(PhoneNumberId(phone_number_id), []).append(single)
    return found


async def list_due_of_campaigns(
    connection: Connection, cursors: Sequence[FeedCursor]
) -> list[list[DueMessage]]:
    """The next page of each cursor, in one statement; rows that are not due are not looked at."""
    pages: list[list[DueMessage]] = [[] for _ in cursors]
    if not cursors:
        return pages
    rows = await connection.execute(
        _SQL.list_due_of_campaigns,
        {
            "ordinals": list(range(len(cursors))),
            "tenant_ids": [cursor.campaign.tenant_id for cursor in cursors],
            "campaign_ids": [cursor.campaign.campaign_id for cursor in cursors],
            "first_ids": [cursor.campaign.first_id for cursor in cursors],
            "waves": [cursor.wave for cursor in cursors],
            "after_dues": [cursor.after_due for cursor in cursors],
            "after_ids": [cursor.after_id for cursor in cursors],
            # An array of arrays of different lengths, which PostgreSQL does not have.
            "template_ids": [
                "{" + ",".join(map(str, cursor.campaign.template_ids)) + "}" for cursor in cursors
            ],
            "limits": [cursor.limit for cursor in cursors],
        },
    )
    for ordinal, message_id, not_before in cast(
        "list[tuple[int, UUID, datetime | None]]", await rows.fetchall()
    ):
        pages[ordinal].append(DueMessage(message_id=MessageId(message_id), not_before=not_before))
    return pages


async def list_still_queued(
    connection: Connection, probes: Sequence[tuple[TenantId, MessageId, datetime]]
) -> set[MessageId]:
    """Those of these messages that nobody has claimed since an instant: tenant, id, instant."""
    if not probes:
        return set()
    ids = [message_id for _, message_id, _ in probes]
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(
            _SQL.list_still_queued,
            {
                "tenant_ids": [tenant_id for tenant_id, _, _ in probes],
                "message_ids": ids,
                "issued_ats": [issued_at for _, _, issued_at in probes],
                "lowest": min(ids),
                "highest": max(ids),
            },
        )
        return set(await cursor.fetchall())


async def raise_grants(connection: Connection) -> int:
    """Give throttled numbers a little of their rate back; returns how many rose."""
    cursor = await connection.execute(_SQL.raise_grants)
    return cursor.rowcount


async def end_pauses(connection: Connection) -> int:
    """Lift the pauses of numbers that are over, and close their alerts; returns how many ended."""
    cursor = await connection.execute(_SQL.end_pauses)
    row = await cursor.fetchone()
    return int(str(row[0])) if row else 0


async def rest_account(
    connection: Connection, *, tenant_id: TenantId, waba_id: WabaId, seconds: int, reason: str
) -> None:
    """All numbers of an account rest, and send less after it: they share the limit."""
    await connection.execute(
        _SQL.rest_account,
        {"tenant_id": tenant_id, "waba_id": waba_id, "seconds": seconds, "reason": reason},
    )


async def slow_every_number(connection: Connection) -> None:
    """All numbers of all tenants send less: our app's own limit was met."""
    await connection.execute(_SQL.slow_every_number)
