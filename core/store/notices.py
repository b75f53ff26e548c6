"""What Meta says of accounts, numbers, templates and people, kept by the time it was said.

Every function runs in the caller's transaction; `at` is when Meta said it, and what is older than
the last word that was followed changes nothing.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from core.domain.ids import CampaignId, ContactId, PhoneNumberId, TemplateId, TenantId, WabaId
from core.domain.provider_errors import ProviderError
from core.store.database import Connection
from core.store.queries import load
from core.whatsapp.updates import TemplateUpdate, VolumeTier

_SQL = load("notices")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecategorisedTemplate:
    """A template Meta spoke of the category of."""

    template_id: TemplateId
    category_before: str
    is_changed: bool


async def change_template_category(
    connection: Connection,
    *,
    tenant_id: TenantId,
    update: TemplateUpdate,
    at: datetime,
) -> list[RecategorisedTemplate]:
    """Store what a template is charged as now and what is announced (None: nothing)."""
    values: dict[str, object] = {
        "tenant_id": tenant_id,
        "waba_id": update.waba_id,
        "meta_template_id": update.meta_template_id,
        "name": update.name,
        "language": update.language,
        "category": update.category_now,
        "next_category": update.category_next,
        "next_category_at": update.category_next_at,
        "at": at,
    }
    async with connection.cursor(row_factory=class_row(RecategorisedTemplate)) as cursor:
        await cursor.execute(_SQL.change_template_category, values)
        return await cursor.fetchall()


async def mark_prices_stale(
    connection: Connection, *, tenant_id: TenantId, template_id: TemplateId
) -> list[CampaignId]:
    """The campaigns whose price no longer holds, now marked so."""
    cursor = await connection.execute(
        _SQL.mark_prices_stale, {"tenant_id": tenant_id, "template_id": template_id}
    )
    return [CampaignId(UUID(str(row[0]))) for row in await cursor.fetchall()]


async def block_account(
    connection: Connection,
    *,
    tenant_id: TenantId,
    waba_id: WabaId,
    reason: str,
    until: datetime | None,
    at: datetime,
) -> bool:
    """Stop an account until an instant (None: until it is lifted); False when nothing changed."""
    cursor = await connection.execute(
        _SQL.block_account,
        {"tenant_id": tenant_id, "waba_id": waba_id, "reason": reason, "until": until, "at": at},
    )
    return cursor.rowcount == 1


async def unblock_account(
    connection: Connection,
    *,
    tenant_id: TenantId,
    waba_id: WabaId,
    reasons: list[str],
    at: datetime,
) -> bool:
    """Take back a block of one of these reasons; whether the account may send now."""
    cursor = await connection.execute(
        _SQL.unblock_account,
        {"tenant_id": tenant_id, "waba_id": waba_id, "reasons": reasons, "at": at},
    )
    row = await cursor.fetchone()
    return bool(row and row[0])


async def cap_utility(
    connection: Connection, *, tenant_id: TenantId, waba_id: WabaId, until: datetime
) -> None:
    """Remember until when Meta caps an account's utility templates."""
    await connection.execute(
        _SQL.cap_utility, {"tenant_id": tenant_id, "waba_id": waba_id, "until": until}
    )


async def halt_category(
    connection: Connection,
    *,
    tenant_id: TenantId,
    waba_id: WabaId,
    category: str,
    reason: str,
    seconds: int | None,
) -> None:
    """Halt every template of a category of an account; None: until somebody lifts it.

    Where Meta has named the end of a cap on utility, that end counts instead of `seconds`.
    """
    await connection.execute(
        _SQL.halt_category,
        {
            "tenant_id": tenant_id,
            "waba_id": waba_id,
            "category": category,
            "reason": reason,
            "seconds": seconds,
        },
    )


async def block_country(
    connection: Connection,
    *,
    tenant_id: TenantId,
    waba_id: WabaId,
    contact_id: ContactId,
    occurred_at: datetime,
) -> str | None:
    """Block a person's country for an account; the country when that is news."""
    cursor = await connection.execute(
        _SQL.block_country,
        {
            "tenant_id": tenant_id,
            "waba_id": waba_id,
            "contact_id": contact_id,
            "occurred_at": occurred_at,
        },
    )
    row = await cursor.fetchone()
    return None if row is None else str(row[0])


async def suppress_category(
    connection: Connection,
    *,
    tenant_id: TenantId,
    contact_id: ContactId,
    error: ProviderError,
    occurred_at: datetime,
) -> None:
    """Keep a person out of one category: of marketing for a while, or of what needs a phone."""
    values: dict[str, object] = {
        "tenant_id": tenant_id,
        "contact_id": contact_id,
        "reason": error.name,
        "error_code": error.code,
    }
    if error.needs_phone:
        await connection.execute(_SQL.require_phone, values)
        return
    rest = {"seconds": error.wait_seconds, "occurred_at": occurred_at}
    await connection.execute(_SQL.rest_marketing, {**values, **rest})


async def raise_throughput(
    connection: Connection, *, tenant_id: TenantId, waba_id: WabaId, digits: str
) -> None:
    """Meta grants a number, named by its digits, 1,000 messages a second."""
    await connection.execute(
        _SQL.raise_throughput, {"tenant_id": tenant_id, "waba_id": waba_id, "digits": digits}
    )


async def change_number_quality(
    connection: Connection, *, tenant_id: TenantId, waba_id: WabaId, digits: str, quality: str
) -> list[PhoneNumberId]:
    """Store a number's quality; the ids of those with these digits."""
    cursor = await connection.execute(
        _SQL.change_number_quality,
        {"tenant_id": tenant_id, "waba_id": waba_id, "digits": digits, "quality": quality},
    )
    return [PhoneNumberId(str(row[0])) for row in await cursor.fetchall()]


async def set_portfolio_limit(
    connection: Connection,
    *,
    tenant_id: TenantId,
    waba_id: WabaId,
    people_per_day: int | None,
    at: datetime,
) -> None:
    """Store the messaging limit of an account's portfolio; None: unlimited."""
    await connection.execute(
        _SQL.set_portfolio_limit,
        {
            "tenant_id": tenant_id,
            "waba_id": waba_id,
            "people_per_day": people_per_day,
            "at": at,
        },
    )


async def reach_volume_tier(
    connection: Connection,
    *,
    tenant_id: TenantId,
    waba_id: WabaId,
    tier: VolumeTier,
    at: datetime,
) -> None:
    """Store a volume tier of an account's portfolio; the earliest time stays."""
    reached_at = tier.reached_at or at
    await connection.execute(
        _SQL.reach_volume_tier,
        {
            "tenant_id": tenant_id,
            "waba_id": waba_id,
            "category": tier.category,
            "market": tier.market or "",
            "effective_month": tier.effective_month or reached_at.strftime("%Y-%m"),
            "tier": tier.tier,
            "reached_at": reached_at,
        },
    )


async def close_alerts(
    connection: Connection, *, tenant_id: TenantId, kind: str, subjects: list[str], at: datetime
) -> None:
    """Meta took back what these alerts tell of, at the time it says.

    Not at the time we learnt it: news from between the two must still count.
    """
    await connection.execute(
        _SQL.close_alerts, {"tenant_id": tenant_id, "kind": kind, "subjects": subjects, "at": at}
    )


async def end_restrictions(connection: Connection) -> int:
    """Lift the blocks and halts of every tenant whose time is over; returns how many."""
    ended = 0
    for query in (_SQL.end_account_blocks, _SQL.end_category_halts):
        row = await (await connection.execute(query)).fetchone()
        ended += int(str(row[0])) if row else 0
    return ended
