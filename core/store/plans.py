"""Plans: from a campaign and a list to one row a person, in one statement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from core.domain.ids import CampaignId, ListId, PhoneNumberId, TemplateId, TenantId, WabaId
from core.domain.market import MarketRow
from core.store.database import Connection
from core.store.queries import load

_SQL = load("plans")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanInputs:
    """Everything a plan is made of, as of now; `local_date` is a day of the account's zone."""

    name: str
    list_id: ListId
    parameters: dict[str, object]
    created_at: datetime
    phone_number_id: PhoneNumberId
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
    currency: str
    timezone: str
    blocked_reason: str | None
    granted_per_second: Decimal
    throughput_per_second: int
    local_date: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Market and country of all addresses that begin alike; None where unknown."""

    prefix: str
    market: str | None
    country: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Skeleton:
    """A message cut at its personal values: piece, value, piece, value ..., last piece.

    `slots[i]` is the 1-based place in `attributes` of the value after `pieces[i]`, None after the
    last. `links` are the places whose value must be an https address (a header's file).
    """

    pieces: tuple[str, ...]
    slots: tuple[int | None, ...]
    attributes: tuple[str, ...]
    links: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCount:
    """Rows of a plan that are alike."""

    state: str
    exclusion_reason: str | None
    market: str | None
    messages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSample:
    """One row that will be sent."""

    address: str
    country: str | None
    market: str | None
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


async def list_planning_campaigns(connection: Connection) -> list[tuple[TenantId, CampaignId]]:
    """Campaigns in status planning, the oldest first."""
    cursor = await connection.execute(_SQL.list_planning_campaigns)
    return list(await cursor.fetchall())  # type: ignore[arg-type]


async def begin_plan(
    connection: Connection, *, tenant_id: TenantId, campaign_id: CampaignId
) -> PlanInputs | None:
    """Lock a campaign's plan for this transaction; None when somebody else has it or it is over."""
    cursor = await connection.execute(_SQL.lock_plan, {"campaign_id": campaign_id})
    row = await cursor.fetchone()
    if not row or not row[0]:
        return None
    await connection.execute(_SQL.give_room)
    async with connection.cursor(row_factory=class_row(PlanInputs)) as found:
        await found.execute(
            _SQL.get_plan_inputs, {"tenant_id": tenant_id, "campaign_id": campaign_id}
        )
        return await found.fetchone()


async def list_audience_prefixes(
    connection: Connection, *, tenant_id: TenantId, list_id: ListId
) -> list[str]:
    """The distinct beginnings of the audience's addresses: `+` and 7 digits, or `CC.`."""
    cursor = await connection.execute(
        _SQL.list_audience_prefixes, {"tenant_id": tenant_id, "list_id": list_id}
    )
    return [str(row[0]) for row in await cursor.fetchall()]


async def list_market_rows(connection: Connection, *, on_day: date) -> list[MarketRow]:
    """The market map in force on a day."""
    async with connection.cursor(row_factory=class_row(MarketRow)) as cursor:
        await cursor.execute(_SQL.list_market_rows, {"on_day": on_day})
        return await cursor.fetchall()


async def insert_plan(
    connection: Connection,
    key: PlanKey,
    inputs: PlanInputs,
    *,
    places: Sequence[Place],
    skeleton: Skeleton,
) -> int:
    """Replace the campaign's rows by one for each member of its list; returns how many."""
    await connection.execute(_SQL.discard_plan, key.values())
    cursor = await connection.execute(
        _SQL.insert_plan,
        {
            "tenant_id": key.tenant_id,
            "campaign_id": key.campaign_id,
            "list_id": inputs.list_id,
            "phone_number_id": inputs.phone_number_id,
            "waba_id": inputs.waba_id,
            "template_id": inputs.template_id,
            "category": inputs.category,
            "prefixes": [place.prefix for place in places],
            "markets": [place.market for place in places],
            "countries": [place.country for place in places],
            "attributes": list(skeleton.attributes),
            "link_positions": list(skeleton.links),
            "pieces": list(skeleton.pieces),
            "slots": list(skeleton.slots),
        },
    )
    return cursor.rowcount


async def count_plan(connection: Connection, key: PlanKey) -> list[PlanCount]:
    """The plan's rows by state, reason, market."""
    async with connection.cursor(row_factory=class_row(PlanCount)) as cursor:
        await cursor.execute(_SQL.count_plan, key.values())
        return await cursor.fetchall()


async def list_plan_rates(
    connection: Connection, *, currency: str, category: str, on_day: date
) -> Mapping[str, Decimal]:
    """Meta's list rate by market."""
    cursor = await connection.execute(
        _SQL.list_plan_rates, {"currency": currency, "category": category, "on_day": on_day}
    )
    return dict(await cursor.fetchall())  # type: ignore[arg-type]


async def list_plan_samples(connection: Connection, key: PlanKey) -> list[PlanSample]:
    """Up to 20 rows that will be sent."""
    async with connection.cursor(row_factory=class_row(PlanSample)) as cursor:
        await cursor.execute(_SQL.list_plan_samples, key.values())
        return await cursor.fetchall()


async def count_neighbours(
    connection: Connection, key: PlanKey, *, phone_number_id: PhoneNumberId
) -> int:
    """Other running campaigns of the same number."""
    cursor = await connection.execute(
        _SQL.count_other_queued, {**key.values(), "phone_number_id": phone_number_id}
    )
    row = await cursor.fetchone()
    return int(str(row[0])) if row else 0


async def hash_plan(connection: Connection, key: PlanKey, *, template_version_hash: str) -> str:
    """SHA-256, in hex, of who gets what."""
    cursor = await connection.execute(
        _SQL.hash_plan, {**key.values(), "template_version_hash": template_version_hash}
    )
    row = await cursor.fetchone()
    return str(row[0]) if row else ""


async def finish_plan(
    connection: Connection,
    key: PlanKey,
    inputs: PlanInputs,
    *,
    plan: dict[str, object],
    plan_hash: str,
) -> bool:
    """Show the plan; False when the campaign is no longer waiting for it."""
    cursor = await connection.execute(
        _SQL.finish_plan,
        {
            **key.values(),
            "category": inputs.category,
            "template_version_hash": inputs.version_hash,
            "plan": Jsonb(plan),
            "plan_hash": plan_hash,
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
