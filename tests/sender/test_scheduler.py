"""Campaigns in time: started once, not too late, never with another template; stillness noticed."""

import asyncio
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb

from core.domain.campaign_state import CampaignState, shown_campaign_state
from core.domain.ids import new_id
from core.domain.message_state import MessageState
from core.store import schedules, settlement
from core.store.database import Pool, platform_transaction
from sender.planner.planner import plan_next
from sender.scheduler.scheduler import run_schedules
from sender.scheduler.stalls import StallWatch
from tests.sender.world import World


def approved(world: World, due: str, **columns: object) -> UUID:
    """An approved campaign that is due at `due`, an interval from now."""
    campaign_id = world.add_campaign(status="approved")
    world.execute(
        "update app.campaigns set scheduled_at = now() + %s::interval where campaign_id = %s",
        due,
        campaign_id,
    )
    for name, value in columns.items():
        world.execute(
            f"update app.campaigns set {name} = %s where campaign_id = %s", value, campaign_id
        )
    return campaign_id


def status(world: World, campaign_id: UUID) -> tuple[str, str | None]:
    found: tuple[str, str | None] = world.one(
        "select status, status_reason from app.campaigns where campaign_id = %s", campaign_id
    )
    return found


async def test_what_is_due_starts_and_what_is_not_waits(world: World, pool: Pool) -> None:
    due, late, later = (approved(world, at) for at in ("-1 s", "-3 h 59 min", "1 h"))
    unscheduled = world.add_campaign(status="approved")
    await run_schedules(pool)
    assert [status(world, one)[0] for one in (due, late)] == ["running"] * 2
    assert [status(world, one)[0] for one in (later, unscheduled)] == ["approved"] * 2
    launched = world.execute(
        "select status = 'running', launched_at is not null from app.campaigns"
    )
    assert all(running == has_time for running, has_time in launched)


async def test_after_too_long_a_downtime_a_person_decides(world: World, pool: Pool) -> None:
    missed = approved(world, "-61 min", max_lateness_seconds=3_600)
    await run_schedules(pool)
    assert status(world, missed) == ("paused", "schedule_missed")
    await run_schedules(pool)
    assert status(world, missed) == ("paused", "schedule_missed")
    assert world.one("select launched_at from app.campaigns") is None


async def test_two_schedulers_start_a_campaign_once(world: World, pool: Pool) -> None:
    campaigns = {approved(world, "-1 s") for _ in range(5)}

    async def start() -> list[UUID]:
        async with platform_transaction(pool) as connection:
            return [one.campaign_id for one in await schedules.start_due(connection)]

    started = await asyncio.gather(*(start() for _ in range(4)))
    assert sorted(one for some in started for one in some) == sorted(campaigns)


async def test_local_delivery_starts_a_day_ahead_for_the_first_zone(
    world: World, pool: Pool
) -> None:
    early = approved(world, "25 h 59 min", local_delivery=True)
    too_early = approved(world, "26 h 5 min", local_delivery=True)
    await run_schedules(pool)
    assert status(world, early)[0] == "running"
    assert status(world, too_early)[0] == "approved"


@pytest.mark.parametrize("change", ["version_hash = 'v2'", "category = 'marketing'"])
async def test_another_template_stops_what_was_planned_with_the_old_one(
    world: World, pool: Pool, change: str
) -> None:
    due = approved(world, "-1 s", template_version_hash="v1")
    running = world.add_campaign()
    planned = world.add_campaign(status="planned")
    world.execute("update app.campaigns set template_version_hash = 'v1'")
    world.execute(f"update app.templates set {change}")
    await run_schedules(pool)
    assert status(world, due) == ("paused", "template_changed")
    assert status(world, running) == ("paused", "template_changed")
    assert status(world, planned) == ("planned", None)
    assert world.execute("select distinct plan_stale_reason from app.campaigns") == [
        ("template_changed",)
    ]


@pytest.mark.parametrize("change", ["version_hash = 'v2'", "category = 'marketing'"])
async def test_another_template_of_an_arm_stops_what_was_not_launched(
    world: World, pool: Pool, change: str
) -> None:
    arm_template = new_id()
    world.execute(
        "insert into app.templates select (t.row).* from (select jsonb_populate_record("
        "null::app.templates, to_jsonb(t) || jsonb_build_object('template_id', %s::text,"
        " 'meta_template_id', '77', 'name', 'outro')) as row from app.templates as t) as t",
        str(arm_template),
    )
    due = approved(world, "1 h", template_version_hash="v1")
    running = world.add_campaign()
    world.execute(
        "update app.campaigns set template_version_hash = 'v1',"
        " experiment = jsonb_build_object('variants', jsonb_build_array("
        "jsonb_build_object('name', 'a', 'template_id', null),"
        " jsonb_build_object('name', 'b', 'template_id', %s::text))),"
        ' plan = \'{"variants": [{"name": "a", "version_hash": "v1"},'
        ' {"name": "b", "version_hash": "v1"}]}\'',
        str(arm_template),
    )
    await run_schedules(pool)
    assert status(world, due) == ("approved", None)
    world.execute(f"update app.templates set {change} where template_id = %s", arm_template)
    await run_schedules(pool)
    assert status(world, due) == ("paused", "template_changed")
    assert status(world, running)[0] == "running"


async def test_the_view_and_the_rule_show_the_same_state(world: World, pool: Pool) -> None:
    contacts = world.add_contacts(2)
    cases: dict[UUID, tuple[CampaignState, dict[MessageState, int], bool]] = {}
    for first in MessageState:
        for second in (MessageState.DELIVERED, MessageState.FAILED):
            campaign_id = world.add_campaign()
            if first is MessageState.EXCLUDED:
                world.add_messages(campaign_id, contacts[1:], state=second)
                cases[campaign_id] = (CampaignState.RUNNING, {second: 1}, False)
                continue
            world.add_messages(campaign_id, contacts[:1], state=first)
            world.add_messages(campaign_id, contacts[1:], state=second)
            counts = {second: 1}
            counts[first] = counts.get(first, 0) + 1
            cases[campaign_id] = (CampaignState.RUNNING, counts, False)
    for stored in (CampaignState.DRAFT, CampaignState.APPROVED, CampaignState.PAUSED):
        cases[world.add_campaign(status=stored)] = (stored, {}, False)
    cases[approved(world, "1 h")] = (CampaignState.APPROVED, {}, True)
    shown = dict(world.execute("select campaign_id, state from app.campaign_states"))
    for campaign_id, (stored, counts, has_time) in cases.items():
        assert shown[campaign_id] == shown_campaign_state(stored, counts, has_time=has_time)


async def test_the_rows_of_a_cancelled_campaign_are_taken_back_batch_by_batch(
    world: World, pool: Pool
) -> None:
    campaign_id = world.add_campaign(status="cancelled")
    other = world.add_campaign()
    contacts = world.add_contacts(25)
    world.add_messages(campaign_id, contacts)
    world.add_messages(other, contacts[:5])
    taken = []
    for _ in range(4):
        async with platform_transaction(pool) as connection:
            taken.append(await settlement.cancel_queued(connection, limit=10))
            await settlement.finish_campaigns(connection)
    assert taken == [10, 10, 5, 0]
    assert world.states() == {"cancelled": 25, "queued": 5}
    assert world.events() == {"cancelled": 25}
    finished = world.execute("select campaign_id from app.campaigns where finished_at is not null")
    assert finished == [(campaign_id,)]


def stalled_campaign(world: World) -> UUID:
    """Running for ten minutes with a message that could go."""
    campaign_id = world.add_campaign()
    world.add_messages(campaign_id, world.add_contacts(2))
    world.execute("update app.campaigns set launched_at = now() - interval '10 minutes'")
    return campaign_id


def alerts(world: World) -> list[tuple[str, bool]]:
    return world.execute(
        "select subject, closed_at is null from app.alerts where kind = 'campaign_stalled'"
    )


async def test_a_campaign_that_could_send_and_does_not_raises_one_alert_that_closes_itself(
    world: World, pool: Pool
) -> None:
    campaign_id = stalled_campaign(world)
    watch = StallWatch(seconds=60)
    assert await watch.look(pool, at=1_000) == []
    assert await watch.look(pool, at=1_059) == []
    assert [one.campaign_id for one in await watch.look(pool, at=1_060)] == [campaign_id]
    await watch.look(pool, at=1_061)
    assert alerts(world) == [(str(campaign_id), True)]
    world.execute(
        "insert into raw.message_events (tenant_id, message_id, campaign_id, contact_pseudonym,"
        " waba_id, phone_number_id, event_type, category, occurred_at)"
        " select tenant_id, message_id, campaign_id, contact_pseudonym, waba_id, phone_number_id,"
        " 'accepted', category, now() from app.messages limit 1"
    )
    assert await watch.look(pool, at=1_062) == []
    assert alerts(world) == [(str(campaign_id), False)]


NUMBER, ACCOUNT = "update app.phone_numbers set ", "update app.whatsapp_accounts set "
#: What explains that nothing moves, and how it ends.
EXPLANATIONS = [
    ("update app.campaigns set status = 'paused'", "update app.campaigns set status = 'running'"),
    (
        "update app.campaigns set resumed_at = now()",
        "update app.campaigns set resumed_at = launched_at",
    ),
    (
        "update app.messages set not_before = now() + interval '1 hour'",
        "update app.messages set not_before = now()",
    ),
    ("update app.messages set wave = 1", "update app.messages set wave = 0"),
    (
        "update app.messages set state = 'sending' where message_id in"
        " (select message_id from app.messages limit 1)",
        "update app.messages set state = 'queued'",
    ),
    (f"{NUMBER} paused_until = now() + interval '1 hour'", f"{NUMBER} paused_until = now()"),
    (f"{ACCOUNT} blocked_reason = 'x'", f"{ACCOUNT} blocked_reason = null"),
    (
        "update app.templates set halted_reason = 'x'",
        "update app.templates set halted_reason = null",
    ),
    (
        "update app.tenants set status = 'suspended'",
        "update app.tenants set status = 'active'",
    ),
    (
        "insert into app.quiet_hours select tenant_id, '*', '*', (local - interval '1 h')::time,"
        " (local + interval '1 h')::time from (select tenant_id, now() at time zone timezone"
        " as local from app.tenants) as t",
        "delete from app.quiet_hours",
    ),
    (
        "with p as (insert into app.portfolios (tenant_id, portfolio_id, people_per_day)"
        " select tenant_id, portfolio_id, 1 from app.whatsapp_accounts returning *)"
        " insert into app.portfolio_reach select p.tenant_id, p.portfolio_id, c.contact_id, now()"
        " from p cross join app.contacts as c",
        "delete from app.portfolios",
    ),
    (
        "insert into ops.switches (switch_id, scope, reason, set_by, expires_at)"
        " values (gen_random_uuid(), 'everything', 'x', 'x', now() + interval '1 hour')",
        "delete from ops.switches",
    ),
]


async def test_what_has_an_explanation_is_not_stuck(world: World, pool: Pool) -> None:
    stalled_campaign(world)
    for explanation, end in EXPLANATIONS:
        world.execute(explanation)
        async with platform_transaction(pool) as connection:
            assert await schedules.list_stuck(connection, seconds=60) == [], explanation
        world.execute(end)
        async with platform_transaction(pool) as connection:
            assert len(await schedules.list_stuck(connection, seconds=60)) == 1, end


def add_series(world: World, rule: str, next_at: str, **columns: object) -> UUID:
    """A series in the tenant's zone whose next occurrence is an interval from now."""
    series_id = new_id()
    world.execute(
        "insert into app.campaign_series (tenant_id, series_id, name, phone_number_id, template_id,"
        " list_id, parameters, starts_at, rule, next_local, next_at, created_by)"
        " select %s, %s, 'Newsletter', %s, %s, %s, '{}', w.wall, %s, w.wall,"
        " w.wall at time zone 'America/Sao_Paulo', 'test' from (select date_trunc('second',"
        " (now() + %s::interval) at time zone 'America/Sao_Paulo') as wall) as w",
        world.tenant_id,
        series_id,
        world.phone_number_id,
        world.template_id,
        world.list_id,
        rule,
        next_at,
    )
    for name, value in columns.items():
        world.execute(
            f"update app.campaign_series set {name} = %s where series_id = %s", value, series_id
        )
    return series_id


ARMS = {"variants": [{"name": "A", "percent": "50"}, {"name": "B", "percent": "50"}]}
NAMED = {"1": {"attribute": "first_name"}}
WAVES = {"percents": ["1", "100"], "wait_minutes": 15}


async def test_each_run_of_a_series_has_arms_and_waves_of_its_own(world: World, pool: Pool) -> None:
    world.add_contacts(40)
    trials = {"experiment": Jsonb(ARMS), "canary": Jsonb(WAVES), "parameters": Jsonb(NAMED)}
    add_series(world, "FREQ=DAILY;INTERVAL=1", "30 minutes", **trials)
    for _ in range(2):
        await run_schedules(pool)
        await plan_next(pool)
        world.execute("update app.campaign_series set next_at = now() + interval '40 minutes'")
    first, second = (
        dict(
            world.execute(
                "select contact_id, variant from app.messages where campaign_id = %s", one
            )
        )
        for (one,) in world.execute("select campaign_id from app.campaigns order by scheduled_at")
    )
    assert set(first.values()) == set(second.values()) == {"A", "B"}
    assert first != second  # drawn by campaign and person: nobody is in one arm for ever
    assert {row[0] for row in world.execute("select distinct wave from app.messages")} <= {1, 2}
    world.execute("update app.campaign_series set status = 'paused'")
    world.execute("update app.campaigns set status = 'approved', scheduled_at = now()")
    await run_schedules(pool)
    started = "select status, released_wave from app.campaigns"
    assert world.execute(started) == [("running", 1)] * 2


async def test_two_schedulers_make_an_occurrence_once(world: World, pool: Pool) -> None:
    series_id = add_series(world, "FREQ=DAILY;INTERVAL=1", "30 minutes")
    await asyncio.gather(*(run_schedules(pool) for _ in range(4)))
    assert world.execute("select status, series_id from app.campaigns") == [("planning", series_id)]
    assert world.one(
        "select c.scheduled_at = o.occurs_at and s.next_local = o.occurrence + interval '1 day'"
        " from app.campaigns as c, app.series_occurrences as o, app.campaign_series as s"
    )


async def test_an_occurrence_is_skipped_while_the_run_before_it_is_open(
    world: World, pool: Pool
) -> None:
    series_id = add_series(world, "FREQ=DAILY;INTERVAL=1", "30 minutes")
    open_run = world.add_campaign()
    world.execute("update app.campaigns set series_id = %s", series_id)
    await run_schedules(pool)
    assert world.execute("select campaign_id, skipped_reason from app.series_occurrences") == [
        (None, "previous_open")
    ]
    assert world.one("select campaign_id from app.campaigns") == open_run


async def test_after_a_downtime_only_what_is_not_too_late_is_made(world: World, pool: Pool) -> None:
    add_series(world, "FREQ=DAILY;INTERVAL=1;COUNT=4", "-73 hours", max_lateness_seconds=7_200)
    for _ in range(5):
        await run_schedules(pool)
    reasons = world.execute(
        "select coalesce(skipped_reason, 'made') from app.series_occurrences order by occurrence"
    )
    assert [reason for (reason,) in reasons] == ["missed", "missed", "missed", "made"]
    assert world.one("select status, next_at from app.campaign_series") == ("ended", None)


@pytest.mark.parametrize("approved_at", ["now()", "null"])
async def test_a_standing_approval_covers_exactly_what_was_approved(
    world: World, pool: Pool, approved_at: str
) -> None:
    changes = {
        "name = 'other'": "approved",
        "template_version_hash = 'v2'": "planned",
        "category = 'marketing'": "planned",
        'parameters = \'{"1": {"value": "x"}}\'': "planned",
        "plan_stale_reason = 'template_changed'": "planned",
        "series_id = null": "planned",
        "experiment = '{\"variants\": []}'": "planned",
        'canary = \'{"percents": ["2", "100"]}\'': "planned",
        'variant_hashes = \'{"B": "v2"}\'': "planned",
    }
    trials = {"experiment": Jsonb(ARMS), "canary": Jsonb(WAVES)}
    series_id = add_series(world, "FREQ=DAILY;INTERVAL=1", "30 days", **trials)
    world.execute(
        "update app.campaign_series set approved_by = 'user:1', approved_category = 'utility',"
        f" approved_template_version_hash = 'v1', approved_at = {approved_at},"
        ' approved_variant_hashes = \'{"B": "v1"}\''
    )
    made = {}
    for change, expected in changes.items():
        campaign_id = world.add_campaign(status="planned", parameters={})
        world.execute(
            "update app.campaigns set series_id = %s, template_version_hash = 'v1',"
            " category = 'utility', experiment = %s, canary = %s,"
            ' variant_hashes = \'{"B": "v1"}\' where campaign_id = %s',
            *(series_id, *trials.values()),
            campaign_id,
        )
        world.execute(f"update app.campaigns set {change} where campaign_id = %s", campaign_id)
        made[campaign_id] = expected if approved_at != "null" else "planned"
    async with platform_transaction(pool) as connection:
        await schedules.approve_by_series(connection)
    assert dict(world.execute("select campaign_id, status from app.campaigns")) == made
