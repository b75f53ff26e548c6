"""Plans on a real PostgreSQL: everybody of a list gets one row, with the reason or the message."""

import asyncio
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from core.domain.ids import new_id
from core.domain.template import parse_components
from core.errors import InvalidInput
from core.settings import Settings
from core.store.database import Pool
from core.store.rate_cards import seed_policies
from sender.planner.planner import plan_next
from sender.planner.skeleton import message_format, read_sources
from sender.planner.summary import mask_address
from tests.sender.world import World


@pytest.fixture
def database(each_database: Settings) -> Settings:
    """On each PostgreSQL: the statements here are the ones that must not depend on its version."""
    return each_database


@pytest.fixture
def rates(world: World) -> None:
    """Brazil at 0.0625 dollars for marketing and 0.008 for utility; Portugal on the map only."""
    world.execute(
        "insert into billing.market_map values"
        " ('55', 'BR', 'Brazil', '[2020-01-01,)', 'test'),"
        " ('351', 'PT', 'Western Europe', '[2020-01-01,)', 'test'),"
        " ('1', 'US', 'North America', '[2020-01-01,)', 'test')"
    )
    with psycopg.connect(world.settings.database_url) as connection:
        seed_policies(connection)
    file_id = new_id()
    world.execute("insert into billing.rate_card_files values (%s, 'test', 'x', 1, now())", file_id)
    for category, rate in (("marketing", "0.0625"), ("utility", "0.008")):
        world.execute(
            "insert into billing.meta_rates (rate_id, file_id, market, currency, category, rate,"
            " valid, source) values (%s, %s, 'Brazil', 'USD', %s, %s, '[2020-01-01,)', 'test')",
            new_id(),
            file_id,
            category,
            rate,
        )


def plan_of(world: World) -> dict[str, Any]:
    status, plan, reason = world.one("select status, plan, status_reason from app.campaigns")
    assert status == "planned", reason
    result: dict[str, Any] = plan
    return result


async def test_a_plan_writes_one_row_a_person_with_the_message_frozen(
    world: World, rates: None, pool: Pool
) -> None:
    world.add_contacts(3, attributes={"first_name": ' Ana "x" \\ {{1}} %s Maria\n'})
    world.add_campaign(status="planning")
    assert await plan_next(pool) == 1
    assert world.states() == {"queued": 3}
    assert world.events() == {"planned": 3}
    content, market = world.execute("select content, market from app.messages")[0]
    parameters = [{"type": "text", "text": 'Ana "x" \\ {{1}} %s Maria'}]
    assert content == {
        "type": "template",
        "template": {
            "name": "pedido",
            "language": {"code": "pt_BR"},
            "components": [{"type": "body", "parameters": parameters}],
        },
    }
    assert market == "Brazil"
    plan = plan_of(world)
    assert plan["audience"] == {
        "total": 3,
        "queued": 3,
        "excluded": 0,
        "excluded_by_reason": {},
    }
    assert plan["cost"]["total"] == "0.024000"
    assert plan["samples"][0]["text"] == 'Olá Ana "x" \\ {{1}} %s Maria, seu pedido saiu.'
    assert "10000000" not in str(plan["samples"])


async def test_everybody_left_out_has_a_row_with_the_reason(database: Settings, pool: Pool) -> None:
    world = World(settings=database).build(category="marketing")
    world.execute(
        "insert into billing.market_map values ('55', 'BR', 'Brazil', '[2020-01-01,)', 'test')"
    )
    (fine,) = world.add_contacts(1)
    (silent,) = world.add_contacts(1, first=1)
    (out,) = world.add_contacts(1, first=2)
    (suppressed,) = world.add_contacts(1, first=3)
    (nameless,) = world.add_contacts(1, first=4, attributes={"first_name": "  "})
    (american,) = world.add_contacts(1, address="+12125550123", country="US")
    (twin,) = world.add_contacts(1, first=0)
    (wrong,) = world.add_contacts(1, address="11987654321")
    for contact in (fine, suppressed, nameless, american, twin, wrong):
        world.consent(contact, granted=True)
    world.consent(out, granted=False)
    world.execute(
        "insert into app.suppressions (tenant_id, contact_id, reason) values (%s, %s, 'test')",
        world.tenant_id,
        suppressed,
    )
    world.add_campaign(status="planning")
    await plan_next(pool)
    reasons = dict(
        world.execute("select contact_id, exclusion_reason from app.messages order by contact_id")
    )
    assert reasons == {
        fine: None,
        silent: "no_consent",
        out: "opted_out",
        suppressed: "suppressed",
        nameless: "missing_parameter",
        american: "us_marketing",
        twin: "duplicate",
        wrong: "invalid_number",
    }
    audience = plan_of(world)["audience"]
    assert (audience["total"], audience["queued"], audience["excluded"]) == (8, 1, 7)
    assert world.events() == {"planned": 1, "excluded": 7}


async def test_what_has_no_rate_is_counted_as_unknown_and_never_as_zero(
    world: World, rates: None, pool: Pool
) -> None:
    world.add_contacts(2)
    world.add_contacts(1, address="+351912345678", country="PT")
    world.add_contacts(1, address="+999123456789", country=None)
    world.add_campaign(status="planning")
    await plan_next(pool)
    cost = plan_of(world)["cost"]
    assert (cost["total"], cost["unknown_messages"], cost["currency"]) == ("0.016000", 2, "USD")
    lines = {line["market"]: line["cost"] for line in cost["lines"]}
    assert lines == {"Brazil": "0.016000", "Western Europe": None, None: None}


async def test_planning_again_replaces_the_rows_and_keeps_the_hash(
    world: World, rates: None, pool: Pool
) -> None:
    contacts = world.add_contacts(3)
    world.add_campaign(status="planning")
    await plan_next(pool)
    first_hash, first_ids = (
        world.one("select plan_hash from app.campaigns"),
        world.execute("select message_id from app.messages"),
    )
    world.execute("update app.campaigns set status = 'planning'")
    await plan_next(pool)
    assert world.one("select plan_hash from app.campaigns") == first_hash
    assert world.states() == {"queued": 3}
    assert not set(first_ids) & set(world.execute("select message_id from app.messages"))
    assert world.events() == {"planned": 6, "cancelled": 3}
    world.execute(
        "update app.contacts set attributes = %s where contact_id = %s",
        Jsonb({"first_name": "Bia"}),
        contacts[0],
    )
    world.execute("update app.campaigns set status = 'planning'")
    await plan_next(pool)
    assert world.one("select plan_hash from app.campaigns") != first_hash


async def test_two_planners_at_once_plan_nobody_twice(
    world: World, rates: None, pool: Pool
) -> None:
    world.add_contacts(200)
    world.add_campaign(status="planning")
    await asyncio.gather(*(plan_next(pool) for _ in range(3)))
    assert world.states() == {"queued": 200}
    assert world.one("select count(distinct contact_id) from app.messages") == 200


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        ("update app.templates set status = 'PAUSED'", "paused"),
        ("update app.templates set halted_reason = '132015'", "halted"),
        ("update app.whatsapp_accounts set blocked_reason = '190'", "blocked"),
        ("update app.campaigns set parameters = '{}'", "needs values for: 1"),
        ("update app.campaigns set parameters = '{\"1\": 5}'", "a parameter is"),
        ("delete from app.list_members", "no members"),
    ],
)
async def test_an_impossible_plan_says_why(
    world: World, pool: Pool, spoil: str, reason: str
) -> None:
    world.add_contacts(1)
    world.add_campaign(status="planning")
    world.execute(spoil)
    await plan_next(pool)
    status, said = world.one("select status, status_reason from app.campaigns")
    assert (status, reason in said) == ("plan_failed", True)
    assert world.states() == {}


def test_a_constant_cannot_be_mistaken_for_a_person_s_value() -> None:
    shape = parse_components([{"type": "BODY", "text": "{{1}} {{2}}"}])
    attributes: dict[str, int] = {}
    sources = read_sources(
        {"1": {"value": "https://x.invalid/1 100%"}, "2": {"attribute": "a"}}, attributes
    )
    message = message_format(shape=shape, name="n", language="pt_BR", sources=sources)
    assert attributes == {"a": 1}
    assert message.count("%1$s") == 1
    assert "https://x.invalid/1 100%%" in message


def test_a_parameter_without_a_source_is_refused_before_anybody_is_written_to() -> None:
    with pytest.raises(InvalidInput):
        read_sources({"1": {"x": "y"}}, {})


def test_a_masked_address_hides_the_middle() -> None:
    assert mask_address("+5511987654321") == "+55•••••••••21"
