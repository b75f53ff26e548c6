"""Plan, pacer and claim say the same about the same people, portfolios and countries."""

from collections.abc import AsyncIterator, Callable
from uuid import UUID

import psycopg
import pytest
from psycopg.types.json import Jsonb

from core.broker.envelopes import Ticket
from core.clock import utc_now
from core.domain.ids import ContactId, PhoneNumberId, TemplateId, TenantId, WabaId, new_id
from core.domain.provider_errors import classify
from core.settings import DatabaseRole, Settings
from core.store import portfolios
from core.store.database import Connection, Pool, platform_transaction
from sender.consequences import Consequence, apply_consequences
from sender.planner.planner import plan_next
from sender.worker.dispatcher import Dispatcher
from tests.sender.meta_stub import MetaStub
from tests.sender.test_account_notices import say, template
from tests.sender.test_plan_rules import reasons, the_plan
from tests.sender.test_portfolios import limit, reach
from tests.sender.world import World

MakeTicket = Callable[..., Ticket]


@pytest.fixture
async def session(database: Settings) -> AsyncIterator[Connection]:
    dsn = database.dsn(DatabaseRole.WORKER)
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        yield connection


async def meet(pool: Pool, world: World, code: int, contact_id: UUID) -> None:
    """An error of this code about a person, as worker and applier hand it on."""
    consequence = Consequence(
        error=classify(code),
        tenant_id=TenantId(world.tenant_id),
        waba_id=WabaId(world.waba_id),
        phone_number_id=PhoneNumberId(world.phone_number_id),
        contact_id=ContactId(contact_id),
        template_id=TemplateId(world.template_id),
        occurred_at=utc_now(),
    )
    async with platform_transaction(pool) as connection:
        await apply_consequences(connection, [consequence])


@pytest.mark.parametrize(
    ("code", "category", "planned_as", "claimed_as"),
    [
        (131049, "marketing", "frequency_cap", "cancelled"),
        (131049, "utility", None, "accepted"),
        (131049, "authentication", None, "accepted"),
        (131026, "marketing", "suppressed", "cancelled"),
        (131026, "utility", "suppressed", "cancelled"),
        (131026, "authentication", "suppressed", "cancelled"),
    ],
)
async def test_a_suppression_holds_for_its_categories_in_plan_and_claim(
    database: Settings,
    pool: Pool,
    dispatcher: Dispatcher,
    ticket_for: MakeTicket,
    world: World,
    *,
    code: int,
    category: str,
    planned_as: str | None,
    claimed_as: str,
) -> None:
    world.execute("update app.templates set category = %s", category)
    (person,) = world.add_contacts(1)
    world.consent(person, granted=True)
    await meet(pool, world, code, person)
    (message,) = world.add_messages(world.add_campaign(), [person], category=category)
    await dispatcher.handle(ticket_for([message]))
    assert world.states() == {claimed_as: 1}
    campaign_id = world.add_campaign(status="planning")
    await plan_next(pool)
    assert reasons(world, campaign_id) == {person: planned_as}


async def test_marketing_is_possible_again_a_day_after_131049(
    world: World, pool: Pool, dispatcher: Dispatcher, ticket_for: MakeTicket
) -> None:
    (person,) = world.add_contacts(1)
    await meet(pool, world, 131049, person)
    world.execute(
        "update app.suppressions"
        " set marketing_until = marketing_until - interval '24 hours 1 second'"
    )
    (message,) = world.add_messages(world.add_campaign(), [person], category="marketing")
    await dispatcher.handle(ticket_for([message]))
    assert world.states() == {"accepted": 1}


async def test_a_country_meta_blocks_costs_one_refusal_and_no_plan_writes_to_it(
    world: World, pool: Pool, meta: MetaStub, dispatcher: Dispatcher, ticket_for: MakeTicket
) -> None:
    people = world.add_contacts(20)
    ids = world.add_messages(world.add_campaign(), people)
    meta.answer = meta.refuse(130497)
    await dispatcher.handle(ticket_for(ids[:1]))
    await dispatcher.handle(ticket_for(ids))
    assert len(meta.received) == 1
    assert world.states() == {"failed": 1, "cancelled": 19}
    assert world.execute("select distinct reason from app.messages where state = 'cancelled'") == [
        ("blocked_country",)
    ]
    campaign_id = world.add_campaign(status="planning")
    await plan_next(pool)
    assert set(reasons(world, campaign_id).values()) == {"blocked_country"}


async def test_a_country_of_the_tenant_s_own_rule_is_asked_by_the_claim_too(
    world: World, pool: Pool, meta: MetaStub, dispatcher: Dispatcher, ticket_for: MakeTicket
) -> None:
    people = world.add_contacts(2)
    world.execute("update app.tenants set blocked_countries = '{BR}'")
    await dispatcher.handle(ticket_for(world.add_messages(world.add_campaign(), people)))
    assert (meta.received, world.states()) == ([], {"cancelled": 2})
    campaign_id = world.add_campaign(status="planning")
    await plan_next(pool)
    assert set(reasons(world, campaign_id).values()) == {"blocked_country"}


async def test_plan_pacer_and_claim_count_a_shared_portfolio_alike(
    database: Settings,
    world: World,
    pool: Pool,
    session: Connection,
    dispatcher: Dispatcher,
    ticket_for: MakeTicket,
) -> None:
    other = World(settings=database, waba_id="109", phone_number_id="209").build()
    limit(world, 10)
    limit(other, 10)
    reach(world, [new_id() for _ in range(2)], "1 hour")
    reach(other, [new_id() for _ in range(4)], "2 hours")
    reach(other, [new_id() for _ in range(3)], "25 hours")
    people = world.add_contacts(9)
    campaign_id = world.add_campaign(status="planning")
    await plan_next(pool)
    planned = the_plan(world, campaign_id)["limits"]["portfolio"]
    [usage] = await portfolios.list_usage(session)
    ids = world.add_messages(None, people)
    await dispatcher.handle(ticket_for(ids))
    began = world.one("select count(*) from app.messages where state = 'accepted'")
    assert (planned["head_room"], usage.free, began) == (4, 4, 4)
    assert planned["used_last_24_hours"] == 6


async def test_a_category_changed_by_webhook_prices_what_is_not_sent_anew(
    world: World, pool: Pool
) -> None:
    world.add_contacts(4)
    meta_id = "771"
    variant = new_id()
    world.execute(
        "insert into app.templates (tenant_id, template_id, waba_id, meta_template_id, name,"
        " language, category, status, components, version_hash, synced_at)"
        " select tenant_id, %s, waba_id, %s, 'outra', language, category, status, components,"
        " 'v2', now() from app.templates",
        variant,
        meta_id,
    )
    campaign_id = world.add_campaign(status="planning")
    single = world.add_campaign(status="planning")
    world.execute(
        "update app.campaigns set experiment = %s where campaign_id = %s",
        Jsonb(
            {
                "holdout_percent": "0",
                "variants": [
                    {"name": "a", "percent": "50"},
                    {"name": "b", "percent": "50", "template_id": str(variant)},
                ],
            }
        ),
        campaign_id,
    )
    while world.execute("select 1 from app.campaigns where status = 'planning'"):
        await plan_next(pool)
    assert the_plan(world, campaign_id)["cost"]["repriced_at"] is None
    done = {
        **template(world, previous_category="UTILITY", new_category="MARKETING"),
        "message_template_id": int(meta_id),
        "message_template_name": "outra",
    }
    await say(world, pool, "template_category_update", done)
    cost = the_plan(world, campaign_id)["cost"]
    assert cost["repriced_at"] is not None
    variants = dict(
        world.execute(
            "select variant, count(*) from app.messages where campaign_id = %s group by variant",
            campaign_id,
        )
    )
    assert {(line["category"], line["messages"]) for line in cost["lines"]} == {
        (category, variants[name])
        for name, category in (("a", "utility"), ("b", "marketing"))
        if name in variants
    }
    # The other campaign does not use that template.
    assert the_plan(world, single)["cost"]["repriced_at"] is None
    await say(
        world,
        pool,
        "template_category_update",
        template(world, previous_category="UTILITY", new_category="MARKETING"),
    )
    repriced = the_plan(world, single)["cost"]
    assert {line["category"] for line in repriced["lines"]} == {"marketing"}


async def test_another_category_takes_a_template_s_time_to_live_away(
    world: World, pool: Pool
) -> None:
    ttl = "select message_send_ttl_seconds from app.templates"
    world.execute("update app.templates set message_send_ttl_seconds = 3600")
    notice = template(world, new_category="UTILITY", correct_category="MARKETING")
    await say(world, pool, "template_category_update", notice)
    assert world.one(ttl) == 3600
    done = template(world, previous_category="UTILITY", new_category="MARKETING")
    await say(world, pool, "template_category_update", done, utc_now())
    assert world.one(ttl) is None
