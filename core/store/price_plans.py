"""The catalogue of what tenants pay: plans, their versions, and who is on which.

A version is immutable: a price change is a new version. Prices are Decimals of the plan's currency;
tiers are `[{"up_to": <last unit or null>, "unit": "<price>"}]`, upper bounds inclusive.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from uuid import UUID, uuid5

import psycopg

from core.domain.ids import TenantId
from core.errors import Conflict, NotFound
from core.store.queries import load

_NAMESPACE = UUID("0b5b8f5e-0f6b-5d1c-8a55-3f0d3e1c7a20")
Connection = psycopg.Connection[tuple[object, ...]]


class PriceModel(StrEnum):
    """How a quantity becomes an amount; the arithmetic is in the warehouse's rating functions."""

    PER_UNIT = "per_unit"
    GRADUATED = "graduated"
    COST_PLUS = "cost_plus"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """Units up to and including `up_to` (None: all above) cost `unit` each."""

    up_to: int | None
    unit: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """The price of a category; market `*` is any market that has no price of its own."""

    category: str
    model: PriceModel
    tiers: tuple[Tier, ...] = ()
    rate_percent: Decimal | None = None
    included_quantity: int = 0
    market: str = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanVersion:
    """One immutable version of a plan; amounts are per calendar month of the tenant's zone."""

    code: str
    name: str
    version: int
    currency: str
    base_fee: Decimal
    minimum_commitment: Decimal
    tax_percent: Decimal
    prices: tuple[Price, ...]

    @property
    def plan_version_id(self) -> UUID:
        """The same code and version have the same id on every installation."""
        return uuid5(_NAMESPACE, f"{self.code}/{self.version}")


def _flat(category: str, unit: str, *, market: str = "*") -> Price:
    return Price(
        category=category,
        market=market,
        model=PriceModel.PER_UNIT,
        tiers=(Tier(up_to=None, unit=Decimal(unit)),),
    )


def _tiered(category: str, *tiers: tuple[int | None, str], included: int = 0) -> Price:
    return Price(
        category=category,
        model=PriceModel.GRADUATED,
        tiers=tuple(Tier(up_to=up_to, unit=Decimal(unit)) for up_to, unit in tiers),
        included_quantity=included,
    )


def _cost_plus(category: str, percent: str) -> Price:
    return Price(category=category, model=PriceModel.COST_PLUS, rate_percent=Decimal(percent))


EXAMPLES: tuple[PlanVersion, ...] = (
    PlanVersion(
        code="start-brl",
        name="Start (Brazil)",
        version=1,
        currency="BRL",
        base_fee=Decimal(99),
        minimum_commitment=Decimal(250),
        tax_percent=Decimal(5),
        prices=(
            _flat("marketing", "0.47"),
            _flat("marketing", "0.42", market="Brazil"),
            _flat("utility", "0.06"),
            _flat("authentication", "0.055"),
            _flat("service", "0.045"),
        ),
    ),
    PlanVersion(
        code="growth-eur",
        name="Growth (Europe)",
        version=1,
        currency="EUR",
        base_fee=Decimal(49),
        minimum_commitment=Decimal(0),
        tax_percent=Decimal(23),
        prices=(
            _tiered("marketing", (1000, "0.089"), (5000, "0.082"), (None, "0.0755"), included=250),
            _tiered("utility", (5000, "0.031"), (None, "0.027"), included=500),
            _tiered("authentication", (5000, "0.029"), (None, "0.025")),
            _tiered("service", (10000, "0.019"), (None, "0.016"), included=1000),
        ),
    ),
    PlanVersion(
        code="cost-plus-inr",
        name="Cost plus (India)",
        version=1,
        currency="INR",
        base_fee=Decimal(1999),
        minimum_commitment=Decimal(0),
        tax_percent=Decimal(18),
        prices=(
            _cost_plus("marketing", "12"),
            _cost_plus("utility", "15"),
            _cost_plus("authentication", "15"),
            _cost_plus("service", "20"),
        ),
    ),
)


def save_plan(connection: Connection, plan: PlanVersion) -> bool:
    """Store a plan version with its prices; False when that version exists (it never changes)."""
    queries = load("price_plans")
    plan_id = uuid5(_NAMESPACE, plan.code)
    with connection.transaction():
        connection.execute(
            queries.upsert_plan, {"plan_id": plan_id, "code": plan.code, "name": plan.name}
        )
        added = connection.execute(
            queries.insert_version,
            {
                "plan_version_id": plan.plan_version_id,
                "plan_id": plan_id,
                "version": plan.version,
                "currency": plan.currency,
                "base_fee": plan.base_fee,
                "minimum_commitment": plan.minimum_commitment,
                "tax_percent": plan.tax_percent,
            },
        ).rowcount
        if added:
            for price in plan.prices:
                connection.execute(queries.insert_price, _price_row(plan.plan_version_id, price))
    return bool(added)


def seed_examples(connection: Connection, plans: Sequence[PlanVersion] = EXAMPLES) -> list[str]:
    """Store the shipped example plans; returns the codes that were new."""
    return [plan.code for plan in plans if save_plan(connection, plan)]


def subscribe(
    connection: Connection, *, tenant_id: TenantId, plan_code: str, valid_from: date
) -> UUID:
    """Put a tenant on the newest version of a plan from `valid_from`, a day of the tenant's zone.

    Returns the subscription's id; the same call twice is one subscription. Raises NotFound for an
    unknown plan and Conflict when another subscription covers that day.
    """
    queries = load("price_plans")
    found = connection.execute(queries.find_latest_version, {"code": plan_code}).fetchone()
    if found is None:
        raise NotFound(f"there is no plan {plan_code}; `carteiro plans seed` stores the examples")
    plan_version_id = found[0]
    subscription_id = uuid5(_NAMESPACE, f"{tenant_id}/{plan_version_id}/{valid_from}")
    try:
        with connection.transaction():
            connection.execute(
                queries.insert_subscription,
                {
                    "tenant_id": tenant_id,
                    "subscription_id": subscription_id,
                    "plan_version_id": plan_version_id,
                    "valid_from": valid_from,
                },
            )
    except psycopg.errors.ExclusionViolation as error:
        raise Conflict(f"the tenant has another plan on {valid_from} or later") from error
    return subscription_id


def _price_row(plan_version_id: UUID, price: Price) -> dict[str, object]:
    tiers = [{"up_to": tier.up_to, "unit": str(tier.unit)} for tier in price.tiers]
    return {
        "plan_version_id": plan_version_id,
        "category": price.category,
        "market": price.market,
        "model": price.model.value,
        "tiers": json.dumps(tiers),
        "rate_percent": price.rate_percent,
        "included_quantity": price.included_quantity,
    }
