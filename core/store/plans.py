"""Plans: what one is made of, what it comes to, and where it is shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from core.domain.ids import (
    CampaignId,
    ListId,
    PhoneNumberId,
    TemplateId,
    TenantId,
    WabaId,
    new_id,
)
from core.domain.market import MarketRow
from core.domain.quiet_hours import QuietHours
from core.store import portfolios
from core.store.database import Connection
from core.store.queries import load

_SQL = load("plans")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanInputs:
    """Everything a plan is made of, as of now.

    `send_at` is when sending begins: now, or when it is scheduled for. `local_date` is the day of
    `send_at` in the account's zone.
    """

    name: str
    list_id: ListId
    parameters: dict[str, object]
    created_at: datetime
    phone_number_id: PhoneNumberId
    scheduled_at: datetime | None
    local_delivery: bool
    experiment: dict[str, object] | None
    canary: dict[str, object] | None
    plan_dry_run: bool
    send_at: datetime
    tenant_timezone: str
    marketing_cap_messages: int | None
    marketing_cap_days: int | None
    blocked_countries: list[str]
    template_id: TemplateId
    template_name: str
    template_language: str
    category: str
    template_status: str
    components: object
    version_hash: str
    halted_reason: str | None
    template_waba_id: WabaId
    waba_id: WabaId
    portfolio_id: str
    currency: str
    timezone: str
    blocked_reason: str | None
    granted_per_second: Decimal
    throughput_per_second: int
    local_date: date


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanTemplate:
    """A template as a plan needs it."""

    template_id: TemplateId
    name: str
    language: str
    category: str
    status: str
    components: object
    version_hash: str
    halted_reason: str | None
    waba_id: WabaId


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """How many people a portfolio may begin to write to a day (None: unlimited), and did."""

    people_per_day: int | None
    reached: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsent:
    """Messages not sent yet that cost alike; `category` is their template's of now."""

    market: str | None
    variant: str | None
    category: str
    in_window: bool
    in_free_entry: bool
    people: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Repricing:
    """What a new price depends on; `category` is the template's of now."""

    created_at: datetime
    category: str
    currency: str
    local_date: date


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSample:
    """One row that will be sent."""

    address: str
    country: str | None
    market: str | None
    variant: str | None
    content: dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanKey:
    """A campaign's rows: `lowest` is an id below all of them, for partition pruning."""

    tenant_id: TenantId
    campaign_id: CampaignId
    lowest: UUID

    def values(self) -> dict[str, object]:
        """As parameters of a query."""
        return {
            "tenant_id": self.tenant_id,
            "campaign_id": self.campaign_id,
            "lowest": self.lowest,
        }


def plan_key(tenant_id: TenantId, campaign_id: CampaignId, created_at: datetime) -> PlanKey:
    """The key of a campaign's rows, none of which is older than the campaign."""
    lowest = new_id(created_at - timedelta(minutes=1))
    return PlanKey(tenant_id=tenant_id, campaign_id=campaign_id, lowest=lowest)


async def list_planning_campaigns(connection: Connection) -> list[tuple[TenantId, CampaignId]]:
    """Campaigns in status planning, the oldest first."""
    cursor = await connection.execute(_SQL.list_planning_campaigns)
    return list(await cursor.fetchall())  # type: ignore[arg-type]


async def get_inputs(
    connection: Connection, tenant_id: TenantId, campaign_id: CampaignId
) -> PlanInputs | None:
    """What a plan is made of; None when nobody waits for one any more."""
    async with connection.cursor(row_factory=class_row(PlanInputs)) as found:
        await found.execute(
            _SQL.get_plan_inputs, {"tenant_id": tenant_id, "campaign_id": campaign_id}
        )
        return await found.fetchone()


async def list_templates(
    connection: Connection, tenant_id: TenantId, template_ids: Sequence[str]
) -> list[PlanTemplate]:
    """Those of the templates that the tenant has."""
    async with connection.cursor(row_factory=class_row(PlanTemplate)) as cursor:
        await cursor.execute(
            _SQL.list_variant_templates,
            {"tenant_id": tenant_id, "template_ids": list(template_ids)},
        )
        return await cursor.fetchall()


async def list_market_rows(connection: Connection, *, on_day: date) -> list[MarketRow]:
    """The market map in force on a day."""
    async with connection.cursor(row_factory=class_row(MarketRow)) as cursor:
        await cursor.execute(_SQL.list_market_rows, {"on_day": on_day})
        return await cursor.fetchall()


async def discard_plan(connection: Connection, key: PlanKey) -> None:
    """Take back the rows of an earlier plan that was never launched, each with its event."""
    await connection.execute(_SQL.discard_plan, key.values())


async def get_portfolio(
    connection: Connection, tenant_id: TenantId, portfolio_id: str
) -> Portfolio | None:
    """A portfolio's limit and use as pacer and claim count them; None: its limit isn't known."""
    cursor = await connection.execute(
        _SQL.find_portfolio, {"tenant_id": tenant_id, "portfolio_id": portfolio_id}
    )
    if await cursor.fetchone() is None:
        return None
    for usage in await portfolios.list_usage(connection, only=portfolio_id):
        return Portfolio(people_per_day=usage.people_per_day, reached=usage.used)
    return Portfolio(people_per_day=None, reached=0)


async def list_quiet_hours(connection: Connection, tenant_id: TenantId) -> list[QuietHours]:
    """The tenant's rules of when people are left in peace."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_SQL.list_plan_quiet_hours, {"tenant_id": tenant_id})
        return [
            QuietHours(
                country=row["country"],
                category=row["category"],
                starts_at=row["starts_at"],
                ends_at=row["ends_at"],
                quiet_days=frozenset(row["quiet_days"]),
            )
            for row in await cursor.fetchall()
        ]


async def count_neighbours(
    connection: Connection, key: PlanKey, *, phone_number_id: PhoneNumberId
) -> int:
    """Other running campaigns of the same number."""
    cursor = await connection.execute(
        _SQL.count_other_queued, {**key.values(), "phone_number_id": phone_number_id}
    )
    row = await cursor.fetchone()
    return int(str(row[0])) if row else 0


async def count_unsent(connection: Connection, key: PlanKey) -> list[Unsent]:
    """What is not sent yet, by all that a price depends on."""
    async with connection.cursor(row_factory=class_row(Unsent)) as cursor:
        await cursor.execute(_SQL.count_unsent, key.values())
        return await cursor.fetchall()


async def get_repricing(
    connection: Connection, tenant_id: TenantId, campaign_id: CampaignId
) -> Repricing | None:
    """What a new price depends on, the campaign locked; None when it has no plan."""
    async with connection.cursor(row_factory=class_row(Repricing)) as cursor:
        await cursor.execute(
            _SQL.get_repricing, {"tenant_id": tenant_id, "campaign_id": campaign_id}
        )
        return await cursor.fetchone()


async def list_stale_prices(connection: Connection) -> list[tuple[TenantId, CampaignId]]:
    """Campaigns whose template has had another category since they were priced, locked."""
    cursor = await connection.execute(_SQL.list_stale_prices)
    return list(await cursor.fetchall())  # type: ignore[arg-type]


async def set_plan_cost(
    connection: Connection, tenant_id: TenantId, campaign_id: CampaignId, cost: dict[str, object]
) -> None:
    """Put a new price into the plan; people, content and hash stay as approved."""
    await connection.execute(
        _SQL.set_plan_cost,
        {"tenant_id": tenant_id, "campaign_id": campaign_id, "cost": Jsonb(cost)},
    )


async def finish_plan(
    connection: Connection,
    key: PlanKey,
    inputs: PlanInputs,
    *,
    plan: dict[str, object],
    plan_hash: str,
    variant_hashes: object,
) -> bool:
    """Show the plan; False when the campaign is no longer waiting for it.

    `variant_hashes` are the versions, by name, of arms whose template is not the campaign's own.
    """
    cursor = await connection.execute(
        _SQL.finish_plan,
        {
            **key.values(),
            "category": inputs.category,
            "template_version_hash": inputs.version_hash,
            "variant_hashes": Jsonb(variant_hashes) if variant_hashes else None,
            "plan": Jsonb(plan),
            "plan_hash": plan_hash,
            "is_dry_run": inputs.plan_dry_run,
        },
    )
    return cursor.rowcount == 1


async def fail_plan(
    connection: Connection, *, tenant_id: TenantId, campaign_id: CampaignId, reason: str
) -> None:
    """Say why no plan is possible."""
    await connection.execute(
        _SQL.fail_plan, {"tenant_id": tenant_id, "campaign_id": campaign_id, "reason": reason}
    )
