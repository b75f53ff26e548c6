"""Two contacts that turn out to be one person, while others plan, send and answer for them."""

import asyncio
import random
from collections.abc import Sequence
from uuid import UUID

import psycopg
import pytest

from core.domain.ids import CampaignId, ContactId, MessageId, PhoneNumberId, TenantId
from core.settings import DatabaseRole
from core.store import dispatch, inbound, plan_runs
from core.store.database import Connection, Pool, platform_transaction
from core.store.merges import hold_contacts, merge_contacts
from core.store.queries import load
from sender.applier.applier import apply_batch
from sender.planner import planner
from sender.planner.planner import plan_next
from tests.sender.landing import land, messages_body, status, token_of
from tests.sender.test_people import said
from tests.sender.world import World


async def merge(connection: Connection, world: World, *, kept: UUID, merged: UUID) -> bool:
    tenant_id = TenantId(world.tenant_id)
    await inbound.lock_people(connection, [tenant_id])
    return await merge_contacts(
        connection,
        tenant_id=tenant_id,
        kept=ContactId(kept),
        merged=ContactId(merged),
        reason="same_sender",
    )


async def merge_alone(pool: Pool, world: World, *, kept: UUID, merged: UUID) -> bool:
    async with platform_transaction(pool) as connection:
        return await merge(connection, world, kept=kept, merged=merged)


async def until_somebody_waits(world: World) -> None:
    for _ in range(1_000):
        if world.one(
            "select count(*) > 0 from pg_stat_activity"
            " where datname = current_database() and wait_event_type = 'Lock'"
        ):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("nobody waits for anybody")


async def begin_plan(pool: Pool, world: World, *, chunk_size: int) -> UUID:
    """A campaign whose plan is cut into pieces, none of them written."""
    campaign_id = world.add_campaign(status="planning")
    async with platform_transaction(pool) as connection:
        tenant, campaign = TenantId(world.tenant_id), CampaignId(campaign_id)
        assert await planner._begin(connection, tenant, campaign, chunk_size)
    return campaign_id


async def plan_piece(connection: Connection, world: World, campaign_id: UUID) -> bool:
    return await plan_runs.plan_one_chunk(
        connection, TenantId(world.tenant_id), CampaignId(campaign_id)
    )


def assert_each_waits_for_one(world: World, people: Sequence[UUID]) -> None:
    """Each of these people, and nobody else, has one message of the campaign to come."""
    assert world.one("select status from app.campaigns") == "planned"
    queued = world.execute(
        "select coalesce(c.merged_into, c.contact_id), count(*), bool_and(c.merged_into is null)"
        " from app.messages as m inner join app.contacts as c using (tenant_id, contact_id)"
        " where m.state = 'queued' group by 1"
    )
    assert sorted(queued) == [(person, 1, True) for person in sorted(people)]
    recipients = world.one("select count(*) from app.campaign_recipients")
    assert recipients == world.one("select count(*) from app.messages")


async def test_a_merge_waits_for_the_piece_being_written_and_takes_one_of_two_rows_back(
    world: World, pool: Pool
) -> None:
    older, newer = world.add_contacts(2)
    campaign_id = await begin_plan(pool, world, chunk_size=10)
    async with platform_transaction(pool) as connection:
        assert await plan_piece(connection, world, campaign_id)
        merging = asyncio.create_task(merge_alone(pool, world, kept=newer, merged=older))
        await until_somebody_waits(world)
    assert await merging
    assert await plan_next(pool) == 1
    assert world.states() == {"queued": 1, "cancelled": 1}
    assert_each_waits_for_one(world, [newer])


async def test_a_piece_waits_for_the_merge_under_way_and_sees_one_person(
    world: World, pool: Pool
) -> None:
    older, newer = world.add_contacts(2)
    await begin_plan(pool, world, chunk_size=10)
    async with platform_transaction(pool) as connection:
        assert await merge(connection, world, kept=newer, merged=older)
        planning = asyncio.create_task(plan_next(pool))
        await until_somebody_waits(world)
    assert await planning == 1
    assert_each_waits_for_one(world, [newer])


async def test_whom_one_piece_has_decided_about_no_later_piece_decides_about_again(
    world: World, pool: Pool
) -> None:
    """The kept contact's own piece comes after the merge: it ended the plan, or doubled the row."""
    older, newer = world.add_contacts(2)
    campaign_id = await begin_plan(pool, world, chunk_size=1)
    async with platform_transaction(pool) as connection:
        assert await plan_piece(connection, world, campaign_id)
    assert await merge_alone(pool, world, kept=newer, merged=older)
    assert await plan_next(pool) == 1
    assert world.states() == {"queued": 1}
    assert_each_waits_for_one(world, [newer])


async def test_whom_one_piece_left_out_the_kept_contacts_piece_still_decides_about(
    world: World, pool: Pool
) -> None:
    (older,) = world.add_contacts(1, attributes={})
    (newer,) = world.add_contacts(1, first=1)
    campaign_id = await begin_plan(pool, world, chunk_size=1)
    async with platform_transaction(pool) as connection:
        assert await plan_piece(connection, world, campaign_id)
    assert world.states() == {"excluded": 1}
    assert await merge_alone(pool, world, kept=newer, merged=older)
    assert await plan_next(pool) == 1
    assert world.states() == {"excluded": 1, "queued": 1}
    assert_each_waits_for_one(world, [newer])


@pytest.mark.parametrize("pieces_done", [0, 1])
async def test_a_plan_that_left_one_of_the_two_out_as_a_duplicate_is_made_anew(
    world: World, pool: Pool, pieces_done: int
) -> None:
    """It counted on the row that goes: the person would get nothing at all."""
    (newer,) = world.add_contacts(1, first=7)
    (older,) = world.add_contacts(1, first=7)  # the same number, written in later
    world.execute(
        "update app.contacts set created_at = now() - interval '1 day' where contact_id = %s", older
    )
    campaign_id = await begin_plan(pool, world, chunk_size=1)
    for _ in range(pieces_done):
        async with platform_transaction(pool) as connection:
            assert await plan_piece(connection, world, campaign_id)
    assert world.states() == ({"excluded": 1} if pieces_done else {})
    assert await merge_alone(pool, world, kept=newer, merged=older)
    assert await plan_next(pool) == 1
    assert_each_waits_for_one(world, [newer])


async def test_a_plan_made_again_after_a_merge_forgets_what_the_merge_took_back(
    world: World, pool: Pool
) -> None:
    older, newer = world.add_contacts(2)
    world.add_campaign(status="planning")
    await plan_next(pool)
    assert await merge_alone(pool, world, kept=newer, merged=older)
    assert world.states() == {"queued": 1, "cancelled": 1}
    world.execute("update app.campaigns set status = 'planning'")
    await plan_next(pool)
    assert world.states() == {"queued": 1}
    assert_each_waits_for_one(world, [newer])
    # Each row that was taken back has one event of its end, whoever took it.
    assert world.events() == {"planned": 3, "cancelled": 2}


@pytest.mark.parametrize("seed", range(5))
async def test_however_merges_and_pieces_fall_everybody_gets_the_campaign_once(
    world: World, pool: Pool, seed: int
) -> None:
    draw = random.Random(seed)
    people = world.add_contacts(24)
    pairs = list(zip(people[:12], draw.sample(people[12:], 12), strict=True))[: draw.randint(4, 12)]
    pairs = [pair if draw.random() < 0.5 else pair[::-1] for pair in pairs]
    world.add_campaign(status="planning")

    async def merge_later(kept: UUID, merged: UUID) -> None:
        await asyncio.sleep(draw.random() * 0.15)
        assert await merge_alone(pool, world, kept=kept, merged=merged)

    await asyncio.gather(
        plan_next(pool, chunk_size=draw.choice([2, 3, 5])),
        *(merge_later(kept, merged) for kept, merged in pairs),
    )
    await plan_next(pool, chunk_size=3)
    gone = {merged for _, merged in pairs}
    assert_each_waits_for_one(world, [person for person in people if person not in gone])


async def test_a_message_asked_for_during_a_merge_is_moved_by_it(world: World, pool: Pool) -> None:
    """Single messages come from the API, which holds the person it writes for."""
    older, newer = world.add_contacts(2)
    identity = {"tenant_id": world.tenant_id, "contact_id": older}
    dsn = world.settings.dsn(DatabaseRole.APP)
    with psycopg.connect(dsn) as api:
        api.execute("select set_config('app.tenant_id', %s, true)", (str(world.tenant_id),))
        assert api.execute(load("contacts").get_contact_identity, identity).fetchone()
        merging = asyncio.create_task(merge_alone(pool, world, kept=newer, merged=older))
        await until_somebody_waits(world)
        (message_id,) = world.add_messages(None, [older])
        api.commit()
    assert await merging
    moved = world.one("select contact_id from app.messages where message_id = %s", message_id)
    assert moved == newer


async def claim(pool: Pool, world: World, ids: Sequence[UUID]) -> list[MessageId]:
    async with platform_transaction(pool) as connection:
        claimed = await dispatch.claim_messages(
            connection,
            tenant_id=TenantId(world.tenant_id),
            phone_number_id=PhoneNumberId(world.phone_number_id),
            message_ids=[MessageId(one) for one in ids],
            worker="w",
            lease_seconds=60,
        )
    return [one.message_id for one in claimed]


async def test_a_row_that_changes_hands_under_a_claim_is_asked_about_its_new_person(
    world: World, pool: Pool
) -> None:
    """The claim has read what the merged contact said: nothing. The kept one has opted out."""
    older, newer = world.add_contacts(2)
    world.consent(newer, purpose="utility", granted=False)
    ids = world.add_messages(None, [older])
    world.execute(
        "insert into app.suppressions (tenant_id, contact_id, reason, until)"
        " values (%s, %s, 'over', now())",
        world.tenant_id,
        older,
    )
    # Not in force, but the claim stops there to ask.
    world.execute(
        "create or replace function app.suppressed_as(until timestamptz, marketing_until"
        " timestamptz, needs_phone boolean, category text, address text, at timestamptz)"
        " returns text language plpgsql volatile as"
        " 'begin perform pg_advisory_xact_lock_shared(4711); return null; end'"
    )
    with psycopg.connect(world.settings.database_url) as gate:
        gate.execute("select pg_advisory_xact_lock(4711)")
        claiming = asyncio.create_task(claim(pool, world, ids))
        await until_somebody_waits(world)
        assert await merge_alone(pool, world, kept=newer, merged=older)
        gate.rollback()
    assert await claiming == []
    assert world.states() == {"queued": 1}
    assert await claim(pool, world, ids) == []
    assert world.one("select state, reason from app.messages") == ("cancelled", "opted_out")


async def test_an_erased_person_and_a_merged_contact_get_nothing_and_the_row_says_why(
    world: World, pool: Pool
) -> None:
    erased, merged, kept, other = world.add_contacts(4)
    ids = world.add_messages(world.add_campaign(), [erased, merged, kept, other])
    world.execute("update app.contacts set erased_at = now() where contact_id = %s", erased)
    world.execute(
        "update app.contacts set erased_at = now(), merged_into = %s where contact_id = %s",
        kept,
        merged,
    )
    assert set(await claim(pool, world, ids)) == set(ids[2:])
    ends = world.execute("select message_id, state, reason from app.messages order by message_id")
    assert ends[:2] == [
        (ids[0], "cancelled", "erased"),
        (ids[1], "cancelled", "same_person"),
    ]
    events = world.execute("select reason from raw.message_events where event_type = 'cancelled'")
    assert sorted(events) == [("erased",), ("same_person",)]


def land_doubles(world: World, draw: random.Random, count: int) -> list[UUID]:
    """`count` people known twice, a message to each row, and 40 bodies that name both and a row."""
    phones, users = world.add_contacts(count), world.add_contacts(count, first=500)
    for at, pair in enumerate(zip(phones, users, strict=True)):
        for contact_id, (kind, value) in zip(
            pair,
            (("phone", f"{world.prefix}{10_000_000 + at}"), ("bsuid", f"BR.{at}")),
            strict=True,
        ):
            world.execute(
                "insert into app.contact_identities (tenant_id, kind, value, contact_id)"
                " values (%s, %s, %s, %s)",
                *(world.tenant_id, kind, value, contact_id),
            )
    people = [*phones, *users]
    draw.shuffle(people)
    ids = world.add_messages(world.add_campaign(), people, state="accepted")
    for _ in range(40):
        at, named = draw.randrange(count), draw.choice(ids)
        wa_id = f"{world.prefix.removeprefix('+')}{10_000_000 + at}"
        tell = status(f"wamid.{named}", "delivered", token=token_of(world, named))
        message = said(wa_id=wa_id, from_user_id=f"BR.{at}")
        land(world, messages_body(world, tell, messages=[message]))
    return ids


async def record_somewhere(pool: Pool, world: World, ids: Sequence[UUID]) -> None:
    """What a worker locks: its messages, and of some of them the person, in any order."""
    async with platform_transaction(pool) as worker:
        mine = [MessageId(one) for one in sorted(ids)]
        tenant_id = TenantId(world.tenant_id)
        await dispatch.lock_messages(worker, tenant_ids=[tenant_id], message_ids=mine)
        cursor = await worker.execute(
            "select contact_id from app.messages where message_id = any(%s)", (mine[::2],)
        )
        for (contact_id,) in reversed(await cursor.fetchall()):
            await hold_contacts(worker, {(tenant_id, contact_id)})  # type: ignore[arg-type]


async def test_appliers_that_merge_and_workers_that_record_never_block_each_other(
    world: World, pool: Pool
) -> None:
    """Everybody locks messages, then people, in the order of their ids: PostgreSQL ends nobody."""
    draw = random.Random(7)
    ids = land_doubles(world, draw, 12)

    async def apply() -> None:
        while world.one("select count(*) > 0 from raw.webhook_queue"):
            await apply_batch(pool)

    async def record() -> None:
        for _ in range(40):
            await record_somewhere(pool, world, draw.sample(ids, 6))

    await asyncio.gather(apply(), apply(), record(), record())
    assert world.one("select count(*) from app.inbound_messages") == 40
    assert world.one("select count(*) from raw.webhook_quarantine") == 0
    assert world.one("select count(*) from app.contact_merges") > 5
    statistics = "select deadlocks from pg_stat_database where datname = current_database()"
    assert world.one(statistics) == 0
