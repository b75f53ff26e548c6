"""A small world and its events: three tenants on three clocks, written as the live path writes."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import psycopg

from core.domain.ids import TenantId, new_id
from core.dsn import DatabaseRole
from core.settings import Settings
from core.store import price_plans, rate_cards

_PSEUDONYM_KEY = bytes(range(32))


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One tenant with one account, one number and one campaign."""

    tenant_id: UUID
    slug: str
    timezone: str
    currency: str
    plan: str
    country: str
    market: str
    waba_id: str
    waba_timezone: str
    waba_currency: str
    phone_number_id: str
    campaign_id: UUID


_SHAPES = (
    ("padaria", "America/Sao_Paulo", "BRL", "start-brl", "BR", "Brazil", "BRL"),
    ("livraria", "Europe/Lisbon", "EUR", "growth-eur", "PT", "Rest of Western Europe", "EUR"),
    ("chai", "Asia/Kolkata", "INR", "cost-plus-inr", "IN", "India", "INR"),
)


def make_worlds(settings: Settings, *, subscribed_from: date = date(2026, 1, 1)) -> list[World]:
    """Store three tenants with accounts, numbers, campaigns, plans, Meta's prices."""
    worlds = [_world(index, shape) for index, shape in enumerate(_SHAPES)]
    with psycopg.connect(settings.database_url) as connection:
        rate_cards.import_shipped(connection)
        price_plans.seed_examples(connection)
        for world in worlds:
            _store(connection, world)
            price_plans.subscribe(
                connection,
                tenant_id=TenantId(world.tenant_id),
                plan_code=world.plan,
                valid_from=subscribed_from,
            )
    return worlds


def _world(index: int, shape: tuple[str, ...]) -> World:
    slug, timezone, currency, plan, country, market, waba_currency = shape
    made = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=index)
    return World(
        tenant_id=new_id(made),
        slug=slug,
        timezone=timezone,
        currency=currency,
        plan=plan,
        country=country,
        market=market,
        waba_id=f"10000000000{index}",
        waba_timezone=timezone,
        waba_currency=waba_currency,
        phone_number_id=f"20000000000{index}",
        campaign_id=new_id(made),
    )


def _store(connection: psycopg.Connection[tuple[object, ...]], world: World) -> None:
    connection.execute(
        "insert into app.tenants (tenant_id, slug, name, timezone, currency, default_region, "
        "pseudonym_key) values (%s, %s, %s, %s, %s, %s, %s)",
        (
            world.tenant_id, world.slug, world.slug.title(), world.timezone, world.currency,
            world.country, _PSEUDONYM_KEY,
        ),
    )  # fmt: skip
    connection.execute(
        "insert into app.whatsapp_accounts (tenant_id, waba_id, portfolio_id, name, timezone, "
        "currency, access_token_encrypted) values (%s, %s, %s, %s, %s, %s, %s)",
        (
            world.tenant_id, world.waba_id, f"p-{world.slug}", world.slug, world.waba_timezone,
            world.waba_currency, b"\x00",
        ),
    )  # fmt: skip
    connection.execute(
        "insert into app.phone_numbers (tenant_id, phone_number_id, waba_id, display_phone_number)"
        " values (%s, %s, %s, %s)",
        (world.tenant_id, world.phone_number_id, world.waba_id, "+1 555 0100"),
    )
    template_id, list_id = new_id(), new_id()
    connection.execute(
        "insert into app.templates (tenant_id, template_id, waba_id, meta_template_id, name, "
        "language, category, status, components, version_hash, synced_at) values "
        "(%s, %s, %s, '1', 'offer', 'en', 'marketing', 'APPROVED', '[]', 'h', now())",
        (world.tenant_id, template_id, world.waba_id),
    )
    connection.execute(
        "insert into app.lists (tenant_id, list_id, name) values (%s, %s, 'all')",
        (world.tenant_id, list_id),
    )
    connection.execute(
        "insert into app.campaigns (tenant_id, campaign_id, name, phone_number_id, template_id, "
        "list_id, status, category, created_by) values "
        "(%s, %s, 'November offer', %s, %s, %s, 'running', 'marketing', 'test')",
        (world.tenant_id, world.campaign_id, world.phone_number_id, template_id, list_id),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One row of raw.message_events before it is written."""

    world: World
    message_id: UUID
    event_type: str
    occurred_at: datetime
    ingested_at: datetime
    category: str = "marketing"
    pricing_type: str | None = None
    pricing_category: str | None = None
    # "": the world's own; None: not known.
    country: str | None = ""
    market: str | None = ""
    error_code: int | None = None
    reason: str | None = None

    def row(self) -> tuple[object, ...]:
        world = self.world
        priced = self.pricing_type is not None
        country = world.country if self.country == "" else self.country
        market = world.market if self.market == "" else self.market
        return (
            self.ingested_at, world.tenant_id, self.message_id, world.campaign_id, self.message_id,
            world.waba_id, world.phone_number_id, self.event_type, self.category,
            country, market, priced or None,
            "PMP" if priced else None, self.pricing_type,
            self.pricing_category or (self.category if priced else None), self.error_code,
            self.reason, 1, self.occurred_at,
        )  # fmt: skip


_INSERT = (
    "insert into raw.message_events (ingested_at, tenant_id, message_id, campaign_id, "
    "contact_pseudonym, waba_id, phone_number_id, event_type, category, country, market, billable, "
    "pricing_model, pricing_type, pricing_category, error_code, reason, attempt_no, occurred_at) "
    "values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
)


def write_events(
    connection: psycopg.Connection[tuple[object, ...]], events: Sequence[Event]
) -> None:
    """Write events in the caller's transaction."""
    connection.cursor().executemany(_INSERT, [event.row() for event in events])


def add_events(settings: Settings, events: Sequence[Event]) -> None:
    """Write events as the sender's role and commit."""
    with psycopg.connect(settings.dsn(DatabaseRole.WORKER)) as connection:
        write_events(connection, events)


def make_campaign_events(
    worlds: Sequence[World], *, day: date, messages: int, seed: int = 7
) -> list[Event]:
    """A day of campaign traffic: most delivered, some read, failed, doubled, out of order."""
    dice = random.Random(seed)
    start = datetime(day.year, day.month, day.day, 1, tzinfo=UTC)
    events: list[Event] = []
    for number in range(messages):
        world = worlds[number % len(worlds)]
        at = start + timedelta(seconds=dice.randrange(0, 20 * 3600))
        category = dice.choices(
            ["marketing", "utility", "authentication", "service"], [70, 20, 5, 5]
        )[0]
        message_id = UUID(int=(new_id(at).int >> 62 << 62) | dice.getrandbits(62))
        events += _story(world, message_id, at, category, dice)
    return events


def _story(
    world: World, message_id: UUID, at: datetime, category: str, dice: random.Random
) -> list[Event]:
    end = "failed" if dice.random() < 0.06 else "delivered"
    steps = ["planned", "accepted", "sent", end]
    if end == "delivered" and dice.random() < 0.5:
        steps.append("read")
    story = []
    for offset, step in enumerate(steps):
        priced = step in {"sent", "delivered", "read"}
        happened = at + timedelta(seconds=offset * 2)
        if step in {"planned", "accepted"}:
            # Our own clock has microseconds, Meta's whole seconds.
            happened += timedelta(microseconds=251_300)
        story.append(
            Event(
                world=world,
                message_id=message_id,
                event_type=step,
                occurred_at=happened,
                ingested_at=happened + timedelta(seconds=1),
                category=category,
                pricing_type="regular" if priced else None,
                error_code=131026 if step == "failed" else None,
            )
        )
    if dice.random() < 0.03:
        story.append(story[-1])
    return story
