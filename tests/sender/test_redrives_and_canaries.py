"""What failed is tried again because a person asked; waves go one after the other."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb

from core.broker.envelopes import Ticket
from core.clock import utc_now
from core.domain.ids import MessageId, new_id
from core.store.database import Pool, platform_transaction
from core.store.redrives import advance_redrive
from core.store.settlement import finish_campaigns
from sender.applier.applier import apply_batch
from sender.settler.canaries import ask_gates
from sender.settler.redrives import carry_out_redrives
from sender.settler.settler import settle
from sender.worker.dispatcher import Dispatcher
from tests.sender.landing import land, messages_body, status, token_of
from tests.sender.meta_stub import MetaStub
from tests.sender.world import World


def fail(world: World, ids: list[UUID], *, code: int | None, reason: str | None = None) -> None:
    world.execute(
        "update app.messages set state = 'failed', error_code = %s, reason = %s, wamid = 'wamid.'"
        " || message_id, accepted_at = now(), failed_at = now(), attempt_no = 1,"
        " state_changed_at = now() where message_id = any(%s)",
        code,
        reason,
        ids,
    )


def ask(world: World, campaign_id: UUID, **wanted: Any) -> UUID:
    redrive_id = new_id()
    world.execute(
        "insert into app.redrives (tenant_id, redrive_id, campaign_id, states, error_codes,"
        " reasons, include_unconfirmed, matching, requested_by)"
        " values (%s, %s, %s, %s, %s, %s, %s, 0, 'ana')",
        world.tenant_id,
        redrive_id,
        campaign_id,
        wanted.get("states", ["failed"]),
        wanted.get("error_codes"),
        wanted.get("reasons"),
        wanted.get("include_unconfirmed", False),
    )
    return redrive_id


@pytest.fixture
def campaign(world: World) -> UUID:
    return world.add_campaign()


async def test_only_what_the_filter_means_is_sent_once_more_as_a_new_attempt(
    world: World,
    campaign: UUID,
    pool: Pool,
    dispatcher: Dispatcher,
    meta: MetaStub,
    ticket_for: Callable[..., Ticket],
) -> None:
    ids = world.add_messages(campaign, world.add_contacts(10))
    fail(world, ids[:6], code=131026)
    fail(world, ids[6:9], code=132000)
    fail(world, ids[9:], code=None, reason="unconfirmed")
    world.execute("update app.campaigns set finished_at = now()")
    redrive_id = ask(world, campaign, error_codes=[131026])
    assert await carry_out_redrives(pool) == 6
    assert await carry_out_redrives(pool) == 0
    assert world.states() == {"queued": 6, "failed": 4}
    assert world.one("select finished_at is null from app.campaigns")
    assert world.one(
        "select redriven, finished_at is not null from app.redrives where redrive_id = %s",
        redrive_id,
    ) == (6, True)
    await dispatcher.handle(ticket_for([MessageId(item) for item in ids]))
    assert (len(meta.received), max(meta.per_recipient().values())) == (6, 1)
    attempts = world.execute(
        "select distinct attempt_no from app.messages where state = 'accepted'"
    )
    assert attempts == [(2,)]
    assert world.events()["redriven"] == 6


async def test_two_settlers_redrive_everything_once(
    world: World, campaign: UUID, pool: Pool
) -> None:
    fail(world, world.add_messages(campaign, world.add_contacts(30)), code=131026)
    ask(world, campaign)
    moved = await asyncio.gather(*(carry_out_redrives(pool) for _ in range(4)))
    assert sum(moved) == 30
    assert world.events() == {"redriven": 30}


async def test_what_fails_again_is_not_tried_for_ever(
    world: World, campaign: UUID, pool: Pool
) -> None:
    ids = world.add_messages(campaign, world.add_contacts(3))
    fail(world, ids, code=131026)
    redrive_id = ask(world, campaign)
    # The same people failed again while the re-drive was still under way.
    fail(world, ids[:1], code=131026)
    world.execute(
        "update app.messages set state_changed_at = now() + interval '1 second'"
        " where message_id = %s",
        ids[0],
    )
    assert await carry_out_redrives(pool) == 2
    assert world.one("select redriven from app.redrives where redrive_id = %s", redrive_id) == 2


async def test_a_campaign_that_ends_while_it_is_redriven_stays_open(
    world: World, campaign: UUID, pool: Pool
) -> None:
    """Finished with queued messages, no pacer would ever look at them."""
    fail(world, world.add_messages(campaign, world.add_contacts(2)), code=131026)
    ask(world, campaign)
    async with platform_transaction(pool) as settling:
        async with platform_transaction(pool) as redriving:
            assert await advance_redrive(redriving, limit=10) == 2
            # It sees no open message yet; it must not finish the campaign behind our back.
            finished = asyncio.create_task(finish_campaigns(settling))
            await asyncio.wait([finished], timeout=0.3)
        await finished
    assert world.states() == {"queued": 2}
    assert world.one("select finished_at is null from app.campaigns")


async def test_a_campaign_cancelled_meanwhile_keeps_its_failures(
    world: World, campaign: UUID, pool: Pool
) -> None:
    fail(world, world.add_messages(campaign, world.add_contacts(2)), code=131026)
    ask(world, campaign)
    world.execute("update app.campaigns set status = 'cancelled'")
    assert await carry_out_redrives(pool) == 0
    assert world.states() == {"failed": 2}
    assert world.one("select finished_at is not null from app.redrives")


async def test_a_redrive_ends_beside_failures_that_were_delivered_after_all(
    world: World, campaign: UUID, pool: Pool
) -> None:
    fail(world, world.add_messages(campaign, world.add_contacts(1)), code=131026)
    world.execute("update app.messages set delivered_at = now()")
    ask(world, campaign)
    async with platform_transaction(pool) as connection:
        assert await advance_redrive(connection, limit=1) == 0
    assert world.one("select finished_at is not null from app.redrives")


async def test_after_meta_s_limit_for_a_person_the_next_try_waits_a_day(
    world: World, campaign: UUID, pool: Pool
) -> None:
    fail(world, world.add_messages(campaign, world.add_contacts(1)), code=131049)
    ask(world, campaign, error_codes=[131049])
    assert await carry_out_redrives(pool) == 1
    wait = world.one("select not_before - now() from app.messages")
    assert timedelta(hours=23, minutes=59) < wait <= timedelta(hours=24)


async def test_what_may_have_reached_people_is_tried_again_only_when_asked_for(
    world: World, campaign: UUID, pool: Pool
) -> None:
    ids = world.add_messages(campaign, world.add_contacts(2))
    fail(world, ids, code=None, reason="unconfirmed")
    ask(world, campaign)
    assert await carry_out_redrives(pool) == 0
    ask(world, campaign, include_unconfirmed=True)
    assert await carry_out_redrives(pool) == 2


async def test_a_campaign_is_finished_again_after_its_redrive(
    world: World, campaign: UUID, pool: Pool
) -> None:
    ids = world.add_messages(campaign, world.add_contacts(2))
    fail(world, ids, code=131026)
    await settle(world.settings, pool)
    assert world.one("select finished_at is not null from app.campaigns")
    ask(world, campaign)
    await carry_out_redrives(pool)
    await settle(world.settings, pool)
    assert world.one("select finished_at is null from app.campaigns")
    world.execute("update app.messages set state = 'delivered', delivered_at = now()")
    await settle(world.settings, pool)
    assert world.one("select finished_at is not null from app.campaigns")


def waves(world: World, campaign: UUID, *sizes: int, **canary: object) -> list[list[UUID]]:
    """A canary whose waves have these sizes; the first is released."""
    shares = [str(number + 1) for number in range(len(sizes) - 1)] + ["100"]
    world.execute(
        "update app.campaigns set canary = %s, released_wave = 1, wave_released_at = %s",
        Jsonb({"percents": shares, "wait_minutes": 15, **canary}),
        utc_now() - timedelta(hours=1),
    )
    found = []
    for number, size in enumerate(sizes, start=1):
        ids = world.add_messages(campaign, world.add_contacts(size, first=number * 1_000))
        world.execute("update app.messages set wave = %s where message_id = any(%s)", number, ids)
        found.append(ids)
    return found


def deliver(world: World, ids: list[UUID]) -> None:
    world.execute(
        "update app.messages set state = 'delivered', delivered_at = now()"
        " where message_id = any(%s)",
        ids,
    )


async def test_the_next_wave_goes_when_the_one_before_did_well(
    world: World, campaign: UUID, pool: Pool
) -> None:
    first, second, _ = waves(world, campaign, 30, 30, 30)
    assert await ask_gates(pool) == 0
    deliver(world, first)
    assert sum(await asyncio.gather(ask_gates(pool), ask_gates(pool))) == 1
    assert world.one("select released_wave from app.campaigns") == 2
    # The wait begins anew with each wave.
    deliver(world, second)
    assert await ask_gates(pool) == 0
    world.execute("update app.campaigns set wave_released_at = now() - interval '1 hour'")
    assert await ask_gates(pool) == 1
    assert world.one("select released_wave from app.campaigns") == 3


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        ("templates.quality", "RED", "the template's quality is RED"),
        ("templates.status", "PAUSED", "the template stopped: PAUSED"),
        ("phone_numbers.quality", "RED", "the number's quality is RED"),
    ],
)
async def test_a_bad_signal_pauses_the_campaign_with_one_alert(
    world: World, campaign: UUID, pool: Pool, column: str, value: str, why: str
) -> None:
    waves(world, campaign, 30, 30)
    table, name = column.split(".")
    world.execute(f"update app.{table} set {name} = %s", value)
    assert await ask_gates(pool) == 0
    assert await ask_gates(pool) == 0
    status, reason = world.one("select status, status_reason from app.campaigns")
    assert (status, reason) == ("paused", f"canary_stopped: {why}")
    assert world.execute("select kind, occurrences from app.alerts") == [("canary_stopped", 1)]


async def test_a_share_of_131049_above_the_limit_holds_the_rest_back(
    world: World, campaign: UUID, pool: Pool
) -> None:
    first, _ = waves(world, campaign, 50, 500)
    deliver(world, first[3:])
    fail(world, first[:3], code=131049)
    await ask_gates(pool)
    assert world.one("select status_reason from app.campaigns") == (
        "canary_stopped: 6.0 % met Meta's per-person limit (131049)"
    )
    assert world.states()["queued"] == 500


async def test_a_late_sent_of_the_attempt_that_failed_takes_nothing_out_of_the_queue(
    world: World,
    campaign: UUID,
    pool: Pool,
    dispatcher: Dispatcher,
    meta: MetaStub,
    ticket_for: Callable[[list[UUID]], Ticket],
) -> None:
    ids = world.add_messages(campaign, world.add_contacts(1))
    world.execute(
        "update app.messages set state = 'accepted', attempt_no = 1, accepted_at = now(),"
        " wamid = 'wamid.1'"
    )
    token = token_of(world, ids[0])
    land(world, messages_body(world, status("wamid.1", "failed", code=131000, token=token)))
    await apply_batch(pool)
    ask(world, campaign)
    await carry_out_redrives(pool)
    earlier = utc_now() - timedelta(seconds=5)
    land(world, messages_body(world, status("wamid.1", "sent", at=earlier, token=token)))
    await apply_batch(pool)
    assert world.one("select count(*) from raw.webhook_queue") == 0
    assert world.states() == {"queued": 1}
    await dispatcher.handle(ticket_for(ids))
    assert len(meta.received) == 1
    # And what reached the person after all is not sent once more.
    fail(world, ids, code=131000)
    ask(world, campaign)
    await carry_out_redrives(pool)
    land(world, messages_body(world, status("wamid.1", "delivered", token=token)))
    await apply_batch(pool)
    assert world.states() == {"delivered": 1}


async def test_a_canary_does_not_go_on_while_nothing_is_heard_of_its_wave(
    world: World, campaign: UUID, pool: Pool
) -> None:
    first, _, _ = waves(world, campaign, 30, 30, 30)
    world.execute(
        "update app.messages set state = 'accepted', attempt_no = 1, accepted_at = now()"
        " where message_id = any(%s)",
        first,
    )
    assert await ask_gates(pool) == 0
    world.execute("update app.messages set state = 'sent' where message_id = any(%s)", first[:14])
    assert await ask_gates(pool) == 0
    world.execute("update app.messages set state = 'sent' where message_id = any(%s)", first[:15])
    assert await ask_gates(pool) == 1
