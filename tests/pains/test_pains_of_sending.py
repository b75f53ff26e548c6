"""Pains 1 to 5 and 9 to 11 of known campaign systems: repeats, losses, hangs, self-throttling.

docs/known-pains.md says what makes each impossible here.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from aiohttp import web

from core.broker.envelopes import Ticket
from core.settings import Settings
from core.store.database import Pool
from core.store.dispatch import QUARANTINE_AFTER
from sender.pacer.pacer import Pacer
from sender.planner.planner import plan_next
from sender.settler.settler import settle
from sender.worker.dispatcher import Dispatcher
from sender.worker.recovery import recover
from tests.sender.meta_stub import MetaStub
from tests.sender.test_pacer import Notebook, session_of, ticks
from tests.sender.test_recovery import claim, die
from tests.sender.world import World

MakeTicket = Callable[..., Ticket]
LAUNCH = "update app.campaigns set status = 'running', launched_at = now()"


@pytest.fixture
def home(database: Settings, tmp_path: Path) -> Settings:
    return database.model_copy(update={"home": tmp_path})


@pytest.fixture
async def session(database: Settings) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    async with await session_of(database) as connection:
        yield connection


def issued(notebook: Notebook) -> set[UUID]:
    return {message_id for ticket in notebook.tickets for message_id in ticket.message_ids}


async def test_pain_01_a_campaign_picked_up_by_two_of_everything_is_sent_once(
    world: World, database: Settings, pool: Pool, dispatcher: Dispatcher, meta: MetaStub
) -> None:
    contacts = world.add_contacts(60)
    world.add_campaign(status="planning")
    await asyncio.gather(*(plan_next(pool) for _ in range(3)))
    assert world.states() == {"queued": 60}
    world.execute(LAUNCH)
    first, second = Notebook(), Notebook()
    async with await session_of(database) as one, await session_of(database) as other:
        await asyncio.gather(ticks(Pacer(one, first), 0.5), ticks(Pacer(other, second), 0.5))
    tickets = [*first.tickets, *second.tickets]
    assert sum(len(ticket.message_ids) for ticket in tickets) == 120
    await asyncio.gather(*(dispatcher.handle(ticket) for ticket in tickets))
    assert (len(meta.received), set(meta.per_recipient().values())) == (60, {1})
    # Nor could anybody's code plan a person a second time.
    with pytest.raises(psycopg.errors.UniqueViolation):
        world.execute(
            "insert into app.campaign_recipients"
            " select tenant_id, campaign_id, contact_id, app.new_uuid7()"
            " from app.campaign_recipients where contact_id = %s",
            contacts[0],
        )


async def test_pain_02_pause_resume_or_restart_repeats_or_skips_nobody(
    world: World,
    home: Settings,
    pool: Pool,
    dispatcher: Dispatcher,
    meta: MetaStub,
    ticket_for: MakeTicket,
) -> None:
    campaign = world.add_campaign()
    ids = world.add_messages(campaign, world.add_contacts(90))
    await dispatcher.handle(ticket_for(ids[20:50]))
    world.execute("update app.campaigns set status = 'paused'")
    assert await dispatcher.handle(ticket_for(ids)) == []
    assert len(meta.received) == 30
    world.execute("update app.campaigns set status = 'running'")
    # A worker takes twenty and is killed before the first byte of any of them.
    assert len(await claim(pool, world, ids[:20], "dead")) == 20
    die(home, "dead")
    assert await recover(home, pool) == 20
    # Everybody was new: another pacer, which knows nothing of the one before.
    notebook = Notebook()
    async with await session_of(home) as connection:
        await ticks(Pacer(connection, notebook), 0.8)
    assert issued(notebook) == {*ids[:20], *ids[50:]}
    await asyncio.gather(*(dispatcher.handle(ticket) for ticket in notebook.tickets))
    assert world.states() == {"accepted": 90}
    assert (len(meta.received), set(meta.per_recipient().values())) == (90, {1})


async def test_pain_04_nothing_hangs_for_ever_and_cancel_is_final(
    world: World, database: Settings, pool: Pool, session: psycopg.AsyncConnection[Any]
) -> None:
    ids = world.add_messages(world.add_campaign(), world.add_contacts(30))
    notebook = Notebook()
    pacer = Pacer(session, notebook)
    await ticks(pacer, 0.5)
    assert issued(notebook) == set(ids)
    # The broker loses every ticket; a worker takes five messages and is never heard of again.
    notebook.tickets.clear()
    await claim(pool, world, ids[:5], "gone")
    world.execute(
        "update app.messages set lease_until = now() - interval '1 s' where state = 'sending'"
    )
    await settle(database, pool)
    assert world.states() == {"in_doubt": 5, "queued": 25}
    async with await session_of(database) as other:
        await ticks(Pacer(other, notebook), 0.5)
    assert issued(notebook) == set(ids[5:])
    world.execute("update app.campaigns set status = 'cancelled'")
    await settle(database, pool)
    assert world.states() == {"in_doubt": 5, "cancelled": 25}
    assert await claim(pool, world, ids, "w") == []
    # The doubts end as well, and with them the campaign.
    patient = database.model_copy(update={"in_doubt_give_up_seconds": 1})
    world.execute("update app.messages set in_doubt_since = now() - interval '1 hour'")
    await settle(patient, pool)
    await settle(patient, pool)
    assert "in_doubt" not in world.states()
    assert world.states().keys() <= {"cancelled", "failed"}


async def _server_error(payload: dict[str, Any]) -> web.StreamResponse:
    return web.Response(status=502, text="<html>Bad gateway</html>", content_type="text/html")


async def _no_answer(payload: dict[str, Any]) -> web.StreamResponse:
    # Longer than the dispatcher of the tests waits: 2 s.
    await asyncio.sleep(2.5)
    raise AssertionError


async def _cut(payload: dict[str, Any]) -> web.StreamResponse:
    raise asyncio.CancelledError


async def _half(payload: dict[str, Any]) -> web.StreamResponse:
    return web.Response(text='{"messaging_product": "whats', content_type="application/json")


@pytest.mark.parametrize("answer", [_server_error, _no_answer, _cut, _half])
async def test_pain_05_a_send_without_a_clear_answer_is_never_repeated_blindly(
    world: World,
    database: Settings,
    pool: Pool,
    dispatcher: Dispatcher,
    meta: MetaStub,
    ticket_for: MakeTicket,
    *,
    answer: Any,
) -> None:
    ids = world.add_messages(world.add_campaign(), world.add_contacts(2))
    meta.answer = answer
    await dispatcher.handle(ticket_for(ids))
    meta.answer = meta.accept
    await dispatcher.handle(ticket_for(ids))
    await settle(database.model_copy(update={"in_doubt_quiet_seconds": 1}), pool)
    await dispatcher.handle(ticket_for(ids))
    assert world.states() == {"in_doubt": 2}
    assert (len(meta.received), set(meta.per_recipient().values())) == (2, {1})


async def test_pain_09_a_throttle_writes_nobody_off_and_slows_no_other_number(
    world: World, dispatcher: Dispatcher, meta: MetaStub, ticket_for: MakeTicket
) -> None:
    other = World(settings=world.settings, waba_id="109", phone_number_id="209").build()
    ids = world.add_messages(world.add_campaign(), world.add_contacts(10))
    meta.answer = meta.refuse(130429, 429)
    for _ in range(12):
        await dispatcher.handle(ticket_for(ids))
        world.execute("update app.messages set not_before = null")
        # The reset of the pause a number takes: here only the rows are looked at.
        world.execute("update app.phone_numbers set paused_until = null")
    assert world.states() == {"queued": 10}
    assert world.events() == {}
    granted = dict(
        world.execute("select phone_number_id, granted_per_second from app.phone_numbers")
    )
    assert granted[world.phone_number_id] < granted[other.phone_number_id] == 1000
    meta.answer = meta.accept
    await dispatcher.handle(ticket_for(ids))
    assert world.states() == {"accepted": 10}


async def test_pain_10_a_slow_worker_with_a_live_lease_is_not_declared_dead(
    world: World, database: Settings, pool: Pool
) -> None:
    ids = world.add_messages(world.add_campaign(), world.add_contacts(4))
    await claim(pool, world, ids, "slow")
    world.execute("update app.messages set claimed_at = now() - interval '3 hours'")
    await settle(database, pool)
    assert await claim(pool, world, ids, "hasty") == []
    assert world.states() == {"sending": 4}


async def test_pain_10_who_lost_its_lease_cannot_overwrite_who_came_after(
    world: World,
    dispatcher: Dispatcher,
    meta: MetaStub,
    ticket_for: MakeTicket,
) -> None:
    ids = world.add_messages(world.add_campaign(), world.add_contacts(1))

    async def overtaken(payload: dict[str, Any]) -> web.StreamResponse:
        await asyncio.to_thread(
            world.execute, "update app.messages set attempt_no = 2, claimed_by = 'newer'"
        )
        return await meta.refuse(131026)(payload)

    meta.answer = overtaken
    await dispatcher.handle(ticket_for(ids))
    row = world.one("select state, attempt_no, claimed_by, error_code from app.messages")
    assert row == ("sending", 2, "newer", None)


async def test_pain_11_a_message_that_kills_workers_is_put_aside_and_its_neighbours_go(
    world: World, home: Settings, pool: Pool
) -> None:
    ids = world.add_messages(world.add_campaign(), world.add_contacts(4))
    poison, deaths = ids[0], 0
    for number in range(20):
        taken = [one.message_id for one in await claim(pool, world, ids, f"w{number}")]
        if not taken:
            break
        if poison in taken:
            deaths += 1
            die(home, f"w{number}")
            await recover(home, pool)
        else:
            world.execute(
                "update app.messages set state = 'accepted', accepted_at = now()"
                " where message_id = any(%s)",
                taken,
            )
    assert deaths == QUARANTINE_AFTER
    assert world.states() == {"in_doubt": 1, "accepted": 3}
    row = world.one("select message_id, reason from app.messages where state = 'in_doubt'")
    assert row == (poison, "quarantined")
    assert world.execute("select kind, subject from app.alerts") == [
        ("message_quarantined", str(poison))
    ]
    await settle(home, pool)
    assert world.one("select finished_at is not null from app.campaigns") is True
