"""Who is left out of a plan and why, who gets what and when, and what happens to a killed one."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from core.domain.ids import CampaignId, TenantId, new_id
from core.domain.phone import normalise_phone
from core.settings import Settings
from core.store import plan_runs
from core.store.database import Pool, platform_transaction
from core.store.rate_cards import seed_policies
from sender.planner import planner
from sender.planner.planner import plan_next
from sender.scheduler.scheduler import run_schedules
from tests.sender.world import World


def reasons(world: World, campaign_id: UUID) -> dict[UUID, str | None]:
    return dict(
        world.execute(
            "select contact_id, exclusion_reason from app.messages where campaign_id = %s",
            campaign_id,
        )
    )


def the_plan(world: World, campaign_id: UUID) -> dict[str, Any]:
    status, reason, plan = world.one(
        "select status, status_reason, plan from app.campaigns where campaign_id = %s",
        campaign_id,
    )
    assert plan is not None, (status, reason)
    found: dict[str, Any] = plan
    return found


def again(world: World, campaign_id: UUID, **columns: Any) -> None:
    """Ask for another plan, the campaign changed before."""
    for column, value in columns.items():
        world.execute(f"update app.campaigns set {column} = %s", value)
    world.execute("update app.campaigns set status = 'planning'")


async def test_one_person_with_two_numbers_gets_one_message_and_keeps_every_refusal(
    world: World, pool: Pool
) -> None:
    (nine,) = world.add_contacts(1, address="+5511987654321")
    (eight,) = world.add_contacts(1, address="+551187654321")
    (mexican,) = world.add_contacts(1, address="+525512345678", country="MX")
    (old_mexican,) = world.add_contacts(1, address="+5215512345678", country="MX")
    (phone,) = world.add_contacts(1, address="+5521987654321")
    (named,) = world.add_contacts(1, address="BR.abc123")
    world.execute(
        "insert into app.contact_identities values (%s, 'wa_id', '552187654321', %s)",
        world.tenant_id,
        named,
    )
    world.consent(old_mexican, purpose="utility", granted=False)
    campaign_id = world.add_campaign(status="planning")
    await plan_next(pool)
    assert reasons(world, campaign_id) == {
        nine: None,
        eight: "duplicate",
        mexican: "opted_out",
        old_mexican: "duplicate",
        phone: None,
        named: "duplicate",
    }


async def test_a_wrong_value_leaves_one_person_out_and_says_which_parameter_and_why(
    world: World, pool: Pool
) -> None:
    world.execute(
        "update app.templates set components = %s",
        Jsonb(
            [
                {"type": "HEADER", "format": "LOCATION"},
                {"type": "BODY", "text": "Olá {{1}}"},
                {"type": "BUTTONS", "buttons": [{"type": "COPY_CODE"}]},
            ]
        ),
    )
    place = {"lat": "-23.5", "lon": "-46.6", "code": "DEZ10"}
    (fine,) = world.add_contacts(1, attributes={**place, "n": "Ana"})
    (broken,) = world.add_contacts(1, first=1, attributes={**place, "n": "Ana\nBia"})
    (spaced,) = world.add_contacts(1, first=2, attributes={**place, "n": "Ana     Bia"})
    (long,) = world.add_contacts(1, first=3, attributes={**place, "n": "x" * 1021})
    (longest,) = world.add_contacts(1, first=4, attributes={**place, "n": "x" * 1020})
    (lost,) = world.add_contacts(1, first=5, attributes={**place, "n": "A", "lat": "91"})
    (coded,) = world.add_contacts(1, first=6, attributes={**place, "n": "A", "code": "y" * 21})
    (empty,) = world.add_contacts(1, first=7, attributes={"n": "A", "lat": "1", "lon": "1"})
    campaign_id = world.add_campaign(
        status="planning",
        parameters={
            "1": {"attribute": "n"},
            "header.latitude": {"attribute": "lat"},
            "header.longitude": {"attribute": "lon"},
            "header.name": {"value": "Loja"},
            "header.address": {"value": "Rua A, 1"},
            "button.0": {"attribute": "code"},
        },
    )
    await plan_next(pool)
    found = {
        contact_id: [(error["parameter"], error["code"]) for error in errors]
        for contact_id, errors in world.execute("select contact_id, errors from app.plan_errors")
    }
    assert found == {
        broken: [("1", "line_break_or_tab")],
        spaced: [("1", "too_many_spaces")],
        long: [("body", "too_long")],
        lost: [("header.latitude", "not_a_latitude")],
        coded: [("button.0", "too_long")],
        empty: [("button.0", "missing")],
    }
    decided = reasons(world, campaign_id)
    assert (decided[fine], decided[longest], decided[empty]) == (None, None, "missing_parameter")
    assert {decided[who] for who in (broken, spaced, long, lost, coded)} == {"invalid_parameter"}
    plan = the_plan(world, campaign_id)
    assert plan["parameters"]["people"] == 6
    assert "Bia" not in str(world.execute("select errors from app.plan_errors"))
    world.execute('update app.contacts set attributes = attributes || \'{"n": "Ana"}\'')
    again(world, campaign_id)
    await plan_next(pool)
    assert world.one("select count(*) from app.plan_errors") == 3


async def test_arms_holdout_and_waves_are_drawn_once_and_in_their_shares(
    world: World, pool: Pool
) -> None:
    world.add_contacts(3000)
    campaign_id = world.add_campaign(status="planning")
    parameters = {"1": {"attribute": "first_name"}}
    arms = [
        {"name": name, "percent": share, "template_id": str(world.template_id)}
        | ({"parameters": parameters} if name == "b" else {"parameters": {"1": {"value": "x"}}})
        for name, share in (("a", "70"), ("b", "30"))
    ]
    again(
        world,
        campaign_id,
        experiment=Jsonb({"holdout_percent": "10", "variants": arms}),
        canary=Jsonb({"percents": ["5", "20", "100"]}),
    )
    await plan_next(pool, chunk_size=700)
    draw = "select contact_id, exclusion_reason, variant, wave from app.messages order by 1"
    first = world.execute(draw)
    first_hash = world.one("select plan_hash from app.campaigns")
    plan = the_plan(world, campaign_id)
    sent = plan["audience"]["queued"]
    assert abs(plan["audience"]["excluded_by_reason"]["holdout"] - 300) < 80
    assert abs(plan["variants"][0]["queued"] / sent - 0.7) < 0.04
    assert abs(plan["waves"]["1"] / sent - 0.05) < 0.02
    assert abs(plan["waves"]["2"] / sent - 0.15) < 0.03
    again(world, campaign_id)
    await plan_next(pool, chunk_size=700)
    assert world.execute(draw) == first
    assert world.one("select plan_hash from app.campaigns") == first_hash
    again(world, campaign_id, canary=Jsonb({"percents": ["6", "20", "100"]}))
    await plan_next(pool, chunk_size=700)
    assert world.one("select plan_hash from app.campaigns") != first_hash


async def test_local_delivery_is_the_tenant_s_wall_clock_in_each_person_s_zone(
    world: World, pool: Pool
) -> None:
    at = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) + timedelta(days=3)
    (paulista,) = world.add_contacts(1)
    (amazonian,) = world.add_contacts(1, address="+5592987654321")
    (given,) = world.add_contacts(1, first=1)
    (invented,) = world.add_contacts(1, first=2)
    world.execute("update app.contacts set timezone = 'Asia/Tokyo' where contact_id = %s", given)
    world.execute("update app.contacts set timezone = 'Mars/X' where contact_id = %s", invented)
    campaign_id = world.add_campaign(status="planning")
    again(world, campaign_id, scheduled_at=at, local_delivery=True)
    await plan_next(pool)
    rows = {
        contact_id: (zone, not_before - at)
        for contact_id, zone, not_before in world.execute(
            "select contact_id, recipient_timezone, not_before from app.messages"
        )
    }
    assert rows[paulista] == ("America/Sao_Paulo", timedelta(0))
    assert rows[amazonian] == ("America/Manaus", timedelta(hours=1))
    assert rows[given] == ("Asia/Tokyo", timedelta(hours=-12))
    assert rows[invented] == ("America/Sao_Paulo", timedelta(0))
    assert the_plan(world, campaign_id)["finish"]["begins_at"].startswith(
        (at - timedelta(hours=12)).astimezone(UTC).isoformat()[:10]
    )


async def test_the_finish_time_counts_the_waits_of_a_canary(world: World, pool: Pool) -> None:
    world.add_contacts(20)
    finishes = {}
    for name, canary in (
        ("none", None),
        ("hour", Jsonb({"percents": ["1", "10", "100"], "wait_minutes": 60})),
        ("weeks", Jsonb({"percents": ["1", "2", "3", "4", "5", "100"], "wait_minutes": 10_080})),
    ):
        campaign_id = world.add_campaign(status="planning")
        again(world, campaign_id, canary=canary)
        await plan_next(pool)
        finishes[name] = the_plan(world, campaign_id)["finish"]
    for end in ("seconds_at_best", "seconds_at_worst"):
        assert abs(finishes["hour"][end] - finishes["none"][end] - 7_200) <= 1
        assert finishes["weeks"][end] is None
    assert any("canary" in word for word in finishes["hour"]["depends_on"])
    assert not any("canary" in word for word in finishes["none"]["depends_on"])


async def test_people_tired_of_marketing_are_left_in_peace(database: Settings, pool: Pool) -> None:
    world = World(settings=database).build(category="marketing")
    tired, full, fine = world.add_contacts(3)
    for contact in (tired, full, fine):
        world.consent(contact, granted=True)
    world.execute(
        "insert into app.suppressions"
        " (tenant_id, contact_id, reason, error_code, until, marketing_until)"
        " values (%s, %s, 'per-user limit', 131049, now(), now() + interval '1 day')",
        world.tenant_id,
        tired,
    )
    earlier = world.add_campaign()
    world.add_messages(earlier, [full], category="marketing", state="accepted")
    world.execute("update app.messages set accepted_at = now() - interval '1 day'")
    world.execute("update app.tenants set marketing_cap_messages = 1, marketing_cap_days = 7")
    campaign_id = world.add_campaign(status="planning")
    await plan_next(pool)
    assert reasons(world, campaign_id) == {
        tired: "frequency_cap",
        full: "frequency_cap",
        fine: None,
    }


async def test_a_dry_run_shows_the_plan_and_keeps_no_row(world: World, pool: Pool) -> None:
    world.add_contacts(3)
    campaign_id = world.add_campaign(status="planning")
    again(world, campaign_id, plan_dry_run=True)
    await plan_next(pool)
    dry, dry_hash = the_plan(world, campaign_id), world.one("select plan_hash from app.campaigns")
    assert world.one("select status from app.campaigns") == "draft"
    assert (world.states(), world.events()) == ({}, {})
    again(world, campaign_id)
    await plan_next(pool)
    real = the_plan(world, campaign_id)
    assert (dry["audience"], dry["samples"]) == (real["audience"], real["samples"])
    assert dry["cost"] == real["cost"]
    assert world.one("select plan_hash from app.campaigns") == dry_hash
    assert world.states() == {"queued": 3}


async def test_a_plan_left_half_made_is_finished_by_another_planner(
    world: World, pool: Pool
) -> None:
    world.add_contacts(50)
    campaign_id = world.add_campaign(status="planning")
    tenant, campaign = TenantId(world.tenant_id), CampaignId(campaign_id)
    async with platform_transaction(pool) as connection:
        assert await planner._begin(connection, tenant, campaign, 20)
    async with platform_transaction(pool) as connection:
        assert await plan_runs.plan_one_chunk(connection, tenant, campaign)
    assert world.states() == {"queued": 20}
    # A planner killed within a piece: its transaction is gone, and with it every row of the piece.
    async with pool.connection() as killed:
        await killed.execute("begin")
        await plan_runs.plan_one_chunk(killed, tenant, campaign)
        await killed.rollback()
    assert world.one("select sum(decided) from app.plan_chunks") == 20
    await plan_next(pool)
    assert world.states() == {"queued": 50}
    assert world.events() == {"planned": 50}
    assert world.one("select count(distinct contact_id) from app.messages") == 50
    assert world.one("select count(*) from app.plan_runs") == 0


async def test_the_quote_knows_windows_and_a_new_category_is_priced_anew(
    world: World, pool: Pool
) -> None:
    with psycopg.connect(world.settings.database_url) as connection:
        seed_policies(connection)
    world.execute(
        "insert into billing.market_map values ('55', 'BR', 'Brazil', '[2020-01-01,)', '')"
    )
    file_id = new_id()
    world.execute("insert into billing.rate_card_files values (%s, 'test', 'x', 1, now())", file_id)
    for category, rate in (("utility", "0.01"), ("marketing", "0.05")):
        world.execute(
            "insert into billing.meta_rates (rate_id, file_id, market, currency, category, rate,"
            " valid, source) values (%s, %s, 'Brazil', 'USD', %s, %s, '[2020-01-01,)', 'test')",
            new_id(),
            file_id,
            category,
            rate,
        )
    world.execute(
        "update billing.meta_policies set charged = false"
        " where category = 'utility' and pricing_type = 'free_customer_service'"
    )
    inside, advertised, _ = world.add_contacts(3)
    for contact_id, expires, free_until in (
        (inside, "1 hour", None),
        (advertised, "-1 hour", "10 hours"),
    ):
        world.execute(
            "insert into app.service_windows (tenant_id, phone_number_id, contact_id, opened_at,"
            " expires_at, free_entry_until) values (%s, %s, %s, now(), now() + %s::interval,"
            " now() + %s::interval)",
            *(world.tenant_id, world.phone_number_id, contact_id, expires, free_until),
        )
    world.execute(
        "insert into app.portfolios (tenant_id, portfolio_id, people_per_day)"
        " values (%s, '1', 250)",
        world.tenant_id,
    )
    campaign_id = world.add_campaign(status="planning")
    await plan_next(pool)
    plan = the_plan(world, campaign_id)
    assert (plan["cost"]["total_low"], plan["cost"]["total_high"]) == ("0.010000", "0.030000")
    assert plan["cost"]["windows"] == {"service_window": 1, "free_entry_point": 1}
    assert {line["pricing_type"]: line["cost_low"] for line in plan["cost"]["lines"]} == {
        "regular": "0.010000",
        "free_customer_service": "0.000000",
        "free_entry_point": "0.000000",
    }
    # The window is over for whoever came by the advertisement: they count as new all the same.
    assert plan["limits"]["portfolio"]["new_people"] == 2
    before = world.one("select plan_hash from app.campaigns")
    # As a sync leaves it; Meta's webhook prices anew by itself.
    world.execute("update app.templates set category = 'marketing'")
    world.execute("update app.campaigns set price_stale_at = now()")
    await run_schedules(pool)
    cost = the_plan(world, campaign_id)["cost"]
    # Marketing is charged inside a service window, and not inside a free entry point.
    assert (cost["total_low"], cost["total_high"]) == ("0.100000", "0.150000")
    assert (cost["windows"], cost["repriced_at"] is not None) == (plan["cost"]["windows"], True)
    assert world.one("select price_stale_at from app.campaigns") is None
    assert world.one("select plan_hash from app.campaigns") == before


def test_the_database_knows_the_forms_of_a_number_as_the_import_does(world: World) -> None:
    for number in (
        "+551187654321",
        "+5511987654321",
        "+551133334444",
        "+5215512345678",
        "+525512345678",
        "+12125550123",
    ):
        assert world.one("select app.person_key(%s)", number) == (
            normalise_phone(number, "BR").match_key
        )
