"""Pacer, broker and worker together, against a stub of Meta."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
import redis

from core.broker.connection import TicketPublisher, connect, declare
from core.broker.envelopes import Ticket
from core.clock import utc_now
from core.domain.ids import MessageId, PhoneNumberId, TenantId, new_id
from core.settings import DatabaseRole, Settings
from core.store import pacing
from core.store.database import Connection, Pool
from sender.pacer.pacer import Pacer
from sender.worker.dispatcher import Dispatcher
from sender.worker.intake import Intake
from sender.worker.main import Desk, Graveyard
from tests.sender.meta_stub import MetaStub
from tests.sender.world import World


class Notebook(TicketPublisher):
    """A publisher that keeps the tickets."""

    def __init__(self) -> None:
        self.tickets: list[Ticket] = []

    def publish(self, *tickets: Ticket) -> None:
        self.tickets += tickets


@pytest.fixture
async def session(database: Settings) -> AsyncIterator[Connection]:
    async with await session_of(database) as connection:
        yield connection


async def session_of(database: Settings) -> Connection:
    return await psycopg.AsyncConnection.connect(database.dsn(DatabaseRole.WORKER), autocommit=True)


async def ticks(pacer: Pacer, seconds: float) -> int:
    end, issued = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        issued += await pacer.tick()
        await asyncio.sleep(0.02)
    return issued


async def test_a_number_gets_no_more_tickets_than_its_rate_and_a_second_of_work(
    database: Settings, session: Connection
) -> None:
    world = World(settings=database).build(throughput=20)
    world.add_messages(world.add_campaign(), world.add_contacts(300))
    assert 10 <= await ticks(Pacer(session, Notebook()), 2.5) <= 20


async def test_singles_go_first_and_campaigns_share_what_is_left(
    database: Settings, session: Connection
) -> None:
    world = World(settings=database).build(throughput=80)
    contacts = world.add_contacts(400)
    first, second = world.add_campaign(), world.add_campaign()
    world.add_messages(first, contacts)
    world.add_messages(second, contacts)
    (single,) = world.add_messages(None, contacts[:1])
    notebook = Notebook()
    await ticks(Pacer(session, notebook), 1.0)
    assert list(notebook.tickets[0].message_ids) == [single]
    ids = [message_id for ticket in notebook.tickets for message_id in ticket.message_ids]
    counts = dict(
        world.execute(
            "select campaign_id, count(*) from app.messages where message_id = any(%s)"
            " and campaign_id is not null group by campaign_id",
            ids,
        )
    )
    assert abs(counts[first] - counts[second]) <= 20


async def test_a_big_campaign_does_not_delay_another_tenant_s_single_message(
    database: Settings, session: Connection
) -> None:
    big = World(settings=database).build()
    big.add_messages(big.add_campaign(), big.add_contacts(3_000))
    other = World(settings=database, waba_id="109", phone_number_id="209").build()
    notebook = Notebook()
    pacer = Pacer(session, notebook)
    await ticks(pacer, 1.0)
    (single,) = other.add_messages(None, other.add_contacts(1))
    began = time.monotonic()
    while not any(single in ticket.message_ids for ticket in notebook.tickets):
        await pacer.tick()
        assert time.monotonic() - began < 1.0


async def test_paused_things_get_no_ticket_within_a_second(
    database: Settings, session: Connection
) -> None:
    world = World(settings=database).build()
    world.add_messages(world.add_campaign(), world.add_contacts(50))
    notebook = Notebook()
    pacer = Pacer(session, notebook)
    await pacer.tick()
    world.execute("update app.campaigns set status = 'paused'")
    await asyncio.sleep(0.6)
    await pacer.tick()
    notebook.tickets.clear()
    assert await ticks(pacer, 0.5) == 0


async def test_a_lost_ticket_comes_round_again(database: Settings, session: Connection) -> None:
    world = World(settings=database).build()
    ids = world.add_messages(world.add_campaign(), world.add_contacts(30))
    notebook = Notebook()
    pacer = Pacer(session, notebook)
    await ticks(pacer, 0.5)
    assert {m for ticket in notebook.tickets for m in ticket.message_ids} == set(ids)
    notebook.tickets.clear()  # the broker lost them all
    pacer._outstanding.expire(time.monotonic() + 60)
    await ticks(pacer, 1.5)
    assert {m for ticket in notebook.tickets for m in ticket.message_ids} == set(ids)


async def test_a_throttled_number_gets_its_rate_back_step_by_step(
    database: Settings, session: Connection
) -> None:
    world = World(settings=database).build()
    world.execute(
        "update app.phone_numbers set granted_per_second = 700,"
        " throttled_at = now() - interval '1 minute'"
    )
    await Pacer(session, Notebook()).tick()
    assert world.one("select granted_per_second from app.phone_numbers") == 720
    world.execute("update app.phone_numbers set throttled_at = now()")
    await Pacer(session, Notebook()).tick()
    assert world.one("select granted_per_second from app.phone_numbers") == 720


async def test_one_pacer_leads_and_a_frozen_one_loses_the_lead_within_ten_seconds(
    database: Settings,
) -> None:
    async with await session_of(database) as leader, await session_of(database) as standby:
        assert await pacing.try_lead(leader)
        assert not await pacing.try_lead(standby)
        began = time.monotonic()
        # The leader says nothing any more.
        while not await pacing.try_lead(standby):  # noqa: ASYNC110
            await asyncio.sleep(0.2)
        assert 4 < time.monotonic() - began < 10
        with pytest.raises(psycopg.OperationalError):
            await pacing.list_numbers(leader)


async def test_two_pacers_at_once_send_nothing_twice(
    database: Settings, session: Connection, dispatcher: Dispatcher, meta: MetaStub
) -> None:
    world = World(settings=database).build()
    world.add_messages(world.add_campaign(), world.add_contacts(120))
    first, second = Notebook(), Notebook()
    async with await session_of(database) as other:
        await asyncio.gather(ticks(Pacer(session, first), 0.6), ticks(Pacer(other, second), 0.6))
    tickets = [*first.tickets, *second.tickets]
    await asyncio.gather(*(dispatcher.handle(ticket) for ticket in tickets))
    assert sum(len(ticket.message_ids) for ticket in tickets) > 120
    assert len(meta.received) == 120
    assert max(meta.per_recipient().values()) == 1


def purge(settings: Settings) -> None:
    with connect(settings) as connection:
        for queue in declare(connection).queues():
            queue(connection.default_channel).purge()


@asynccontextmanager
async def working(settings: Settings, dispatcher: Dispatcher) -> AsyncIterator[Intake]:
    """The worker's own parts, in this process."""
    purge(settings)
    desk = Desk(dispatcher, budget=200)
    intake = Intake(
        settings, desk.deliver_from_thread, Graveyard(dispatcher._pool).bury_from_thread
    )
    intake.start()
    try:
        assert await asyncio.to_thread(intake.connected.wait, 10)
        yield intake
    finally:
        intake.stop_taking()
        await desk.close()
        intake.stop()
        await asyncio.to_thread(intake.join, 5)
        assert not intake.is_alive()


async def until(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass in time"
        await asyncio.sleep(0.02)


async def test_a_campaign_goes_out_through_each_broker_also_when_it_forgets_everything(
    database: Settings,
    pool: Pool,
    session: Connection,
    dispatcher: Dispatcher,
    meta: MetaStub,
    *,
    broker_url: str,
) -> None:
    settings = database.model_copy(update={"broker_url": broker_url})
    world = World(settings=database).build(throughput=300)
    world.add_messages(world.add_campaign(), world.add_contacts(400))
    async with working(settings, dispatcher):
        with TicketPublisher(settings) as publisher:
            pacer = Pacer(session, publisher)
            await ticks(pacer, 0.5)
            await asyncio.to_thread(purge, settings)
            end = time.monotonic() + 30
            while world.states() != {"accepted": 400}:
                await pacer.tick()
                await asyncio.sleep(0.05)
                assert time.monotonic() < end, world.states()
    assert max(meta.per_recipient().values()) == 1
    assert world.events() == {"accepted": 400}


async def test_poison_is_put_aside_counted_and_read(
    database: Settings, dispatcher: Dispatcher, broker_url: str
) -> None:
    settings = database.model_copy(update={"broker_url": broker_url})
    async with working(settings, dispatcher) as intake:
        with TicketPublisher(settings) as publisher:
            for body in (b"not json", b'{"v": 99}', b"\x80\x04pickle"):
                publisher._send(body, exchange="carteiro", routing_key="tickets")
        await until(lambda: intake.dead_tickets == 3, 10)
        assert intake.poison_tickets == 3


async def test_every_queue_has_a_reader(
    database: Settings, dispatcher: Dispatcher, rabbitmq_url: str
) -> None:
    settings = database.model_copy(update={"broker_url": rabbitmq_url})
    async with working(settings, dispatcher):
        with connect(settings) as connection:
            for queue in declare(connection).queues():
                counted = queue(connection.default_channel).queue_declare(passive=True)
                assert counted.consumer_count >= 1, queue.name


async def test_the_worker_comes_back_after_its_broker_connection_is_cut(
    database: Settings, dispatcher: Dispatcher, meta: MetaStub, valkey_url: str
) -> None:
    settings = database.model_copy(update={"broker_url": valkey_url})
    world = World(settings=database).build()
    ids = world.add_messages(None, world.add_contacts(1))
    async with working(settings, dispatcher) as intake:
        with redis.Redis.from_url(valkey_url) as client:
            client.client_kill_filter(_type="normal", skipme=True)
        await asyncio.sleep(0.5)
        assert await asyncio.to_thread(intake.connected.wait, 10)
        with TicketPublisher(settings) as publisher:
            publisher.publish(replace(_ticket(world), message_ids=tuple(map(MessageId, ids))))
        await until(lambda: len(meta.received) == 1, 10)


async def test_a_connection_lost_often_is_tried_again_as_soon_as_the_first_time(
    database: Settings, dispatcher: Dispatcher, valkey_url: str
) -> None:
    settings = database.model_copy(update={"broker_url": valkey_url})
    async with working(settings, dispatcher) as intake:
        for _ in range(6):
            with redis.Redis.from_url(valkey_url) as client:
                client.client_kill_filter(_type="normal", skipme=True)
            await until(lambda: not intake.connected.is_set(), 5)
            await until(intake.connected.is_set, 3)


def _ticket(world: World) -> Ticket:
    return Ticket(
        ticket_id=new_id(),
        tenant_id=TenantId(world.tenant_id),
        phone_number_id=PhoneNumberId(world.phone_number_id),
        message_ids=(MessageId(new_id()),),
        issued_at=utc_now(),
        expires_at=utc_now() + timedelta(seconds=10),
    )
