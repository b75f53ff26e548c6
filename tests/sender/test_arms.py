"""Arms of an experiment whose template changes under way: that arm stops, the others go on."""

import json
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb

from core.domain.ids import MessageId, PhoneNumberId, TenantId
from core.store import canaries, dispatch, pacing, schedules
from core.store.database import Pool, platform_transaction
from sender.planner.planner import plan_next
from sender.scheduler.scheduler import run_schedules
from tests.sender.test_pacing_reads import halve
from tests.sender.world import World


async def running_experiment(
    world: World, pool: Pool, *, people: int = 12, **columns: object
) -> tuple[UUID, UUID]:
    """A campaign of two arms, planned and launched; its id, and the template of arm b."""
    world.add_contacts(people)
    campaign_id = world.add_campaign(status="planning")
    other = halve(world, campaign_id)
    for column, value in columns.items():
        world.execute(f"update app.campaigns set {column} = %s", value)
    await plan_next(pool)
    world.execute(
        "update app.campaigns set status = 'running', launched_at = now(), released_wave = 1"
    )
    return campaign_id, other


def of_arm(world: World, name: str) -> set[UUID]:
    return {
        row[0]
        for row in world.execute("select message_id from app.messages where variant = %s", name)
    }


async def claim_all(world: World, pool: Pool) -> set[UUID]:
    ids = [MessageId(row[0]) for row in world.execute("select message_id from app.messages")]
    async with platform_transaction(pool) as connection:
        claimed = await dispatch.claim_messages(
            connection,
            tenant_id=TenantId(world.tenant_id),
            phone_number_id=PhoneNumberId(world.phone_number_id),
            message_ids=ids,
            worker="w",
            lease_seconds=60,
        )
    return {one.message_id for one in claimed}


@pytest.mark.parametrize(
    "change", ["version_hash = 'v2'", "category = 'marketing'", "halted_reason = 'Meta: PAUSED'"]
)
@pytest.mark.parametrize("changed", ["a", "b"])
async def test_an_arm_whose_template_changed_stops_alone_until_it_is_as_planned_again(
    world: World, pool: Pool, change: str, changed: str
) -> None:
    _, other = await running_experiment(world, pool)
    rows = {name: of_arm(world, name) for name in "ab"}
    assert all(rows.values())
    template_id = other if changed == "b" else world.template_id
    before = world.one(
        "select jsonb_build_object('version_hash', version_hash, 'category', category)"
        " from app.templates where template_id = %s",
        template_id,
    )
    world.execute(f"update app.templates set {change} where template_id = %s", template_id)
    await run_schedules(pool)
    assert world.one("select status from app.campaigns") == "running"
    async with platform_transaction(pool) as connection:
        (seen,) = await pacing.list_running_campaigns(connection)
    assert set(seen.template_ids) == {other, world.template_id} - {template_id}
    assert await claim_all(world, pool) == rows["a" if changed == "b" else "b"]
    world.execute(
        "update app.templates set halted_reason = null, version_hash = %s, category = %s",
        before["version_hash"],
        before["category"],
    )
    assert await claim_all(world, pool) == rows[changed]


async def test_a_changed_template_is_refused_by_the_very_next_claim(
    world: World, pool: Pool
) -> None:
    """The scheduler pauses the campaign within a second; until then the claim asks."""
    world.add_contacts(2)
    world.add_campaign(status="planning")
    await plan_next(pool)
    world.execute("update app.campaigns set status = 'running', launched_at = now()")
    world.execute("update app.templates set version_hash = 'v2'")
    assert await claim_all(world, pool) == set()
    assert world.states() == {"queued": 2}
    world.execute("update app.templates set version_hash = 'v1'")
    assert len(await claim_all(world, pool)) == 2


async def test_arms_that_share_the_campaigns_template_stop_with_it(
    world: World, pool: Pool
) -> None:
    world.add_contacts(2)
    world.add_campaign(status="planning")
    arms = [{"name": name, "percent": "50"} for name in "ab"]
    world.execute("update app.campaigns set experiment = %s", json.dumps({"variants": arms}))
    await plan_next(pool)
    world.execute("update app.campaigns set status = 'running', launched_at = now()")
    world.execute("update app.templates set version_hash = 'v2'")
    await run_schedules(pool)
    assert world.one("select status, status_reason from app.campaigns") == (
        "paused",
        "template_changed",
    )


async def test_a_canary_stops_when_any_arms_template_does(world: World, pool: Pool) -> None:
    _, other = await running_experiment(
        world, pool, canary=Jsonb({"percents": ["10", "100"], "wait_minutes": 15})
    )
    async with platform_transaction(pool) as connection:
        (waiting,) = await canaries.list_waiting(connection)
    assert (waiting.template_stopped, waiting.template_quality) == (None, "UNKNOWN")
    world.execute(
        "update app.templates set halted_reason = 'Meta: PAUSED', quality = 'RED'"
        " where template_id = %s",
        other,
    )
    async with platform_transaction(pool) as connection:
        (waiting,) = await canaries.list_waiting(connection)
    assert (waiting.template_stopped, waiting.template_quality) == ("Meta: PAUSED", "RED")


async def test_a_stopped_arm_is_no_stalled_campaign(world: World, pool: Pool) -> None:
    _, other = await running_experiment(world, pool)
    world.execute("update app.campaigns set launched_at = now() - interval '1 hour'")
    world.execute("update raw.message_events set ingested_at = now() - interval '1 hour'")
    ids = sorted(of_arm(world, "a"))
    world.execute("update app.messages set state = 'accepted' where message_id = any(%s)", ids)

    async def stuck() -> int:
        async with platform_transaction(pool) as connection:
            return len(await schedules.list_stuck(connection, seconds=60))

    assert await stuck() == 1
    world.execute("update app.templates set version_hash = 'v2' where template_id = %s", other)
    assert await stuck() == 0
