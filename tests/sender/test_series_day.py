"""A daily series from its occurrence to the phone: scheduler, planner, dispatcher, all real."""

import asyncio
from collections.abc import Callable
from uuid import UUID

from core.broker.envelopes import Ticket
from core.domain.ids import new_id
from core.store.database import Pool
from sender.planner.planner import plan_next
from sender.scheduler.scheduler import run_schedules
from sender.worker.dispatcher import Dispatcher
from tests.sender.meta_stub import MetaStub
from tests.sender.test_scheduler import add_series
from tests.sender.world import World

SOURCE = '{"1": {"attribute": "first_name"}}'


def stand_for(world: World, series_id: UUID) -> None:
    """A standing approval of the series with its template as it is."""
    world.execute(
        "update app.campaign_series as s set approved_by = 'user:1', approved_at = now(),"
        " approved_template_version_hash = t.version_hash, approved_category = t.category"
        " from app.templates as t where s.series_id = %s and s.template_id = t.template_id",
        series_id,
    )


async def two_schedulers(pool: Pool) -> None:
    await asyncio.gather(run_schedules(pool), run_schedules(pool))


async def test_todays_campaign_is_made_planned_approved_started_and_sent_once(
    world: World,
    pool: Pool,
    meta: MetaStub,
    dispatcher: Dispatcher,
    ticket_for: Callable[..., Ticket],
) -> None:
    world.add_contacts(5)
    series_id = add_series(world, "FREQ=DAILY;INTERVAL=1", "-1 second", parameters=SOURCE)
    stand_for(world, series_id)
    await two_schedulers(pool)
    assert world.execute("select status from app.campaigns") == [("planning",)]
    await asyncio.gather(plan_next(pool), plan_next(pool))
    for _ in range(2):
        await two_schedulers(pool)
    assert world.one(
        "select status, approved_by, series_id, launched_at >= scheduled_at from app.campaigns"
    ) == ("running", "user:1", series_id, True)
    ids = [message_id for (message_id,) in world.execute("select message_id from app.messages")]
    await asyncio.gather(*(dispatcher.handle(ticket_for(ids)) for _ in range(2)))
    assert world.states() == {"accepted": 5}
    assert sorted(meta.per_recipient().values()) == [1] * 5
    await two_schedulers(pool)
    assert world.one("select count(*) from app.campaigns") == 1
    assert world.one(
        "select o.occurs_at + interval '1 day' = s.next_at and o.campaign_id is not null"
        " from app.series_occurrences as o, app.campaign_series as s"
    )


async def test_without_a_standing_approval_the_plan_waits_for_another_than_the_author(
    world: World, pool: Pool
) -> None:
    world.add_contacts(1)
    add_series(world, "FREQ=DAILY;INTERVAL=1", "30 minutes", parameters=SOURCE, changed_by="user:2")
    await two_schedulers(pool)
    await plan_next(pool)
    await two_schedulers(pool)
    assert world.one("select status, plan_requested_by from app.campaigns") == (
        "planned",
        "user:2",
    )


async def test_a_template_that_changed_between_plan_and_time_holds_the_run_back(
    world: World, pool: Pool
) -> None:
    world.add_contacts(1)
    series_id = add_series(world, "FREQ=DAILY;INTERVAL=1", "30 minutes", parameters=SOURCE)
    stand_for(world, series_id)
    await two_schedulers(pool)
    await plan_next(pool)
    world.execute("update app.templates set version_hash = 'v2'")
    await two_schedulers(pool)
    assert world.one("select status, plan_stale_reason from app.campaigns") == (
        "planned",
        "template_changed",
    )


async def test_each_run_to_a_segment_has_the_people_of_its_own_planning(
    world: World, pool: Pool
) -> None:
    world.add_contacts(5)
    segment_id, list_id = new_id(), new_id()
    world.execute(
        "insert into app.segments (tenant_id, segment_id, name, filter, created_by, updated_at)"
        " values (%s, %s, 's', 'not suppressed', 'user:1', now() - interval '1 hour')",
        world.tenant_id,
        segment_id,
    )
    world.execute(
        "insert into app.lists (tenant_id, list_id, name, segment_id) values (%s, %s, 'x', %s)",
        world.tenant_id,
        list_id,
        segment_id,
    )
    series_id = add_series(world, "FREQ=DAILY;INTERVAL=1", "-1 second", parameters=SOURCE)
    world.execute("update app.campaign_series set list_id = %s", list_id)
    stand_for(world, series_id)
    await two_schedulers(pool)
    await plan_next(pool)
    await two_schedulers(pool)
    assert world.execute("select status, plan -> 'audience' -> 'queued' from app.campaigns") == [
        ("running", 5)
    ]
    own = world.one("select list_id from app.campaigns")
    assert own != list_id
    assert world.one("select segment_id from app.lists where list_id = %s", own) == segment_id
    assert world.one("select count(*) from app.list_members where list_id = %s", list_id) == 0
    # The next run: other words since the approval, so that somebody has to look at its plan.
    world.execute("update app.messages set state = 'delivered'")
    world.execute("update app.campaigns set finished_at = now()")
    world.execute("update app.campaign_series set next_at = now(), next_local = next_local")
    world.execute("update app.segments set updated_at = now()")
    await two_schedulers(pool)
    await plan_next(pool)
    await two_schedulers(pool)
    assert world.execute("select status from app.campaigns order by created_at") == [
        ("running",),
        ("planned",),
    ]
    assert world.one("select count(distinct list_id) from app.campaigns") == 2
    world.execute("update app.campaign_series set approved_at = now()")
    await two_schedulers(pool)
    states = world.execute("select status from app.campaigns order by created_at")
    assert states[1] != ("planned",)
