"""One bad message, orphan, campaign, template or partition never holds up what stands beside it."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import kombu
import psycopg
import pytest
import redis
from aiohttp import web

from core.broker.connection import TicketPublisher, connect
from core.broker.envelopes import Ticket
from core.domain.ids import MessageId
from core.errors import Unavailable
from core.secrets import encrypt
from core.settings import DatabaseRole, Settings
from core.store.database import Pool, open_pool, platform_transaction
from core.whatsapp.client import open_session
from sender.applier.applier import apply_batch, retry_orphans
from sender.applier.main import Rounds as ApplierRounds
from sender.pacer.pacer import Pacer
from sender.planner.planner import plan_next
from sender.settler.main import Rounds as SettlerRounds
from sender.worker.dispatcher import Dispatcher
from tests.sender.landing import land, messages_body, status
from tests.sender.meta_stub import MetaStub
from tests.sender.test_pacer import Notebook, _ticket, until, working
from tests.sender.world import World

MakeTicket = Callable[..., Ticket]


async def test_a_drain_records_what_was_accepted_and_requeues_what_never_left(
    world: World, database: Settings, pool: Pool, meta: MetaStub, ticket_for: MakeTicket
) -> None:
    ids = world.add_messages(None, world.add_contacts(6), category="marketing")
    answered = 0

    async def hang_after_two(payload: dict[str, Any]) -> web.StreamResponse:
        nonlocal answered
        answered += 1
        if answered > 2:
            await asyncio.sleep(5)
        return await meta.accept(payload)

    meta.answer = hang_after_two
    settings = database.model_copy(
        update={"meta_base_url": meta.url, "send_timeout_seconds": 20, "meta_max_connections": 2}
    )
    async with open_session(max_connections=2, timeout_seconds=20) as session:
        dispatcher = Dispatcher(settings, pool, session, worker="test-worker")
        work = asyncio.create_task(dispatcher.handle(ticket_for(ids)))
        await until(lambda: len(meta.received) == 4, 10)
        dispatcher.abort()
        await asyncio.wait([work], timeout=5)
    assert world.states() == {"accepted": 2, "in_doubt": 2, "queued": 2}


async def test_a_token_that_cannot_be_a_header_sends_nothing_and_loses_nothing(
    world: World, meta: MetaStub, dispatcher: Dispatcher, ticket_for: MakeTicket
) -> None:
    world.execute(
        "update app.whatsapp_accounts set access_token_encrypted = %s",
        encrypt("EAAtoken\n", context=f"waba-token:{world.tenant_id}"),
    )
    ids = world.add_messages(None, world.add_contacts(2), category="marketing")
    await dispatcher.handle(ticket_for(ids[:1]))
    await dispatcher.handle(ticket_for(ids[1:]))
    assert (meta.received, world.states()) == ([], {"queued": 2})
    assert world.one("select kind, occurrences from app.alerts") == ("no_access_token", 1)
    assert world.one("select count(*) from app.message_attempts") == 1  # the second one rested


async def test_an_error_code_too_large_for_its_column_leaves_the_ticket_s_others_recorded(
    world: World, meta: MetaStub, dispatcher: Dispatcher, ticket_for: MakeTicket
) -> None:
    ids = world.add_messages(None, world.add_contacts(3))

    async def absurd_once(payload: dict[str, Any]) -> web.StreamResponse:
        if payload["to"].endswith("0"):
            error = {"message": "?", "code": 9_999_999_999, "error_subcode": 2**40}
            return web.json_response({"error": error}, status=400)
        return await meta.accept(payload)

    meta.answer = absurd_once
    await dispatcher.handle(ticket_for(ids))
    assert world.states() == {"accepted": 2, "failed": 1}


async def test_an_orphan_that_cannot_be_applied_is_put_aside_and_the_webhooks_go_on(
    world: World, pool: Pool
) -> None:
    rounds = ApplierRounds(pool)
    for number in range(3):
        land(world, messages_body(world, status(f"wamid.{number}", "sent")))
    await rounds.once()
    ids = world.add_messages(None, world.add_contacts(3), state="accepted")
    for number, message_id in enumerate(ids):
        world.execute(
            "insert into app.message_wamids (tenant_id, wamid, message_id, attempt_no)"
            " values (%s, %s, %s, 1)",
            world.tenant_id,
            f"wamid.{number}",
            message_id,
        )
    # As an older or a newer release may have written it.
    world.execute(
        "update raw.orphan_statuses set update_json = update_json - 'state' where wamid = 'wamid.1'"
    )
    assert await retry_orphans(pool) == 3
    assert world.states() == {"accepted": 1, "sent": 2}
    assert world.one("select count(*) from raw.orphan_statuses") == 0
    assert world.one("select reason from raw.webhook_quarantine") == "processing_failed"


async def test_statuses_that_never_find_a_message_are_looked_for_less_and_less_often(
    world: World, pool: Pool
) -> None:
    """Another system sends from the same number: its statuses carry no token of ours."""
    land(world, messages_body(world, status("wamid.theirs", "sent")))
    await apply_batch(pool)
    due = "select next_try_at - now() from raw.orphan_statuses"
    assert await retry_orphans(pool) == 0
    assert timedelta(seconds=1) < world.one(due) <= timedelta(seconds=2)
    for age, wait in (("10 minutes", 600), ("3 days", 3_600)):
        world.execute(
            "update raw.orphan_statuses set next_try_at = now(),"
            " first_seen_at = now() - %s::interval",
            age,
        )
        assert await retry_orphans(pool) == 0
        assert abs(world.one(due).total_seconds() - wait) < 5


async def test_partitions_that_cannot_be_made_do_not_stop_the_settling(
    world: World, database: Settings, pool: Pool
) -> None:
    world.execute(
        "revoke execute on function ops.ensure_partitions(timestamptz, integer)"
        " from carteiro_worker"
    )
    world.add_campaign()
    await SettlerRounds(database, pool).once()
    assert world.one("select finished_at is not null from app.campaigns")


async def test_a_row_in_the_way_of_one_partition_leaves_the_others_to_be_made(
    world: World, database: Settings, pool: Pool
) -> None:
    # A message of a machine whose clock runs weeks ahead lies where a partition must come.
    world.add_messages(None, world.add_contacts(1))
    world.execute("update app.messages set message_id = app.new_uuid7(now() + interval '60 days')")
    late = database.model_copy(update={"partition_days_ahead": 80})
    await SettlerRounds(late, pool).once()
    made = "select count(*) from pg_inherits where inhparent = %s::regclass"
    attempts = world.one(made, "app.message_attempts")
    assert attempts >= 12
    assert world.one(made, "app.messages") == attempts - 1
    assert world.one("select count(*) from app.messages_default") == 1
    world.execute("update app.messages set message_id = app.new_uuid7()")
    await SettlerRounds(late, pool).once()
    assert world.one(made, "app.messages") == attempts


async def test_a_plan_that_breaks_in_an_unforeseen_way_fails_alone(
    world: World, pool: Pool
) -> None:
    world.add_contacts(2)
    broken, sound = (world.add_campaign(status="planning") for _ in range(2))
    world.execute(
        "create function app.refuse() returns trigger language plpgsql as"
        " 'begin raise exception ''unforeseen''; end'"
    )
    world.execute(
        "create trigger refuse before insert on app.campaign_recipients for each row"
        f" when (new.campaign_id = '{broken}') execute function app.refuse()"
    )
    assert await plan_next(pool) == 2
    stati = dict(world.execute("select campaign_id, status from app.campaigns"))
    assert stati == {broken: "plan_failed", sound: "planned"}


async def test_a_database_that_goes_away_in_the_middle_of_a_plan_does_not_fail_it(
    world: World, pool: Pool
) -> None:
    world.add_contacts(2)
    world.add_campaign(status="planning")
    # What a backend says that PostgreSQL throws out: `postgres backend` of make chaos-crash.
    world.execute(
        "create function app.leave() returns trigger language plpgsql as"
        " 'begin perform pg_terminate_backend(pg_backend_pid()); return new; end'"
    )
    world.execute(
        "create trigger leave before insert on app.campaign_recipients for each row"
        " execute function app.leave()"
    )
    world.execute("alter function app.leave() security definer")
    with pytest.raises(Unavailable):
        await plan_next(pool)
    assert world.one("select status from app.campaigns") == "planning"
    world.execute("drop trigger leave on app.campaign_recipients")
    await plan_next(pool)
    assert world.one("select status from app.campaigns") == "planned"


async def test_messages_of_a_halted_template_do_not_hold_up_their_number_and_expire_in_time(
    world: World, database: Settings, meta: MetaStub, dispatcher: Dispatcher
) -> None:
    contacts = world.add_contacts(201)
    stuck = world.add_messages(None, contacts[:200])
    world.execute("update app.templates set halted_reason = 'test'")
    (free,) = world.add_messages(None, contacts[200:])
    world.execute("update app.messages set template_id = null where message_id = %s", free)
    dsn = database.dsn(DatabaseRole.WORKER)
    notebook = Notebook()
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as session:
        pacer = Pacer(session, notebook)
        await pacer.tick()
        await asyncio.sleep(0.3)
        await pacer.tick()
        assert [list(ticket.message_ids) for ticket in notebook.tickets] == [[free]]
        world.execute(
            "update app.messages set expires_at = now() - interval '1 second'"
            " where message_id = %s",
            stuck[0],
        )
        await pacer.tick()
    for ticket in notebook.tickets:
        await dispatcher.handle(ticket)
    assert world.states() == {"accepted": 1, "expired": 1, "queued": 199}


async def test_a_broken_dead_letter_does_not_end_the_worker_s_intake(
    database: Settings, dispatcher: Dispatcher, meta: MetaStub, broker_url: str
) -> None:
    settings = database.model_copy(update={"broker_url": broker_url})
    world = World(settings=database).build()
    ids = world.add_messages(None, world.add_contacts(1))
    async with working(settings, dispatcher) as intake:
        with connect(settings) as connection, connection.channel() as channel:
            kombu.Producer(channel, auto_declare=False).publish(
                b"?", exchange="carteiro.dead", routing_key="tickets.dead", headers={"x-death": "?"}
            )
        await until(lambda: intake.dead_tickets == 1, 10)
        with TicketPublisher(settings) as publisher:
            publisher.publish(replace(_ticket(world), message_ids=tuple(map(MessageId, ids))))
        await until(lambda: len(meta.received) == 1, 10)
        await until(lambda: world.states() == {"accepted": 1}, 10)


async def test_what_is_no_envelope_in_the_broker_s_list_does_not_end_the_worker_s_intake(
    database: Settings, dispatcher: Dispatcher, meta: MetaStub, valkey_url: str
) -> None:
    settings = database.model_copy(update={"broker_url": valkey_url})
    world = World(settings=database).build()
    ids = world.add_messages(None, world.add_contacts(1))
    async with working(settings, dispatcher):
        with redis.Redis.from_url(valkey_url) as client:
            client.lpush("carteiro.tickets", "garbage")
        await asyncio.sleep(0.3)
        with TicketPublisher(settings) as publisher:
            publisher.publish(replace(_ticket(world), message_ids=tuple(map(MessageId, ids))))
        await until(lambda: world.states() == {"accepted": 1}, 10)


async def test_the_first_ticket_after_a_quiet_time_is_published_at_once(
    database: Settings, world: World, rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.broker.connection._HEARTBEAT_SECONDS", 1)
    settings = database.model_copy(update={"broker_url": rabbitmq_url})
    with TicketPublisher(settings) as publisher:
        publisher.publish(_ticket(world))
        await asyncio.sleep(5)  # RabbitMQ ends what was silent for some heartbeats
        publisher.publish(_ticket(world))


async def test_a_process_that_freezes_in_a_transaction_gives_up_its_locks(
    world: World, database: Settings, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.store.database._FROZEN_SECONDS", 1)
    world.add_messages(None, world.add_contacts(1))
    lock = "select 1 from app.messages for update"
    dsn = database.dsn(DatabaseRole.WORKER)

    async def freeze() -> None:
        async with open_pool(dsn, name="frozen") as own, platform_transaction(own) as frozen:
            await frozen.execute(lock)
            async with asyncio.timeout(5), platform_transaction(pool) as other:
                await other.execute(lock)
            await frozen.execute(lock)

    with pytest.raises((Unavailable, psycopg.OperationalError)):
        await freeze()
