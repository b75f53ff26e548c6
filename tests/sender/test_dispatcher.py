"""One ticket through claim, send and record, on a real PostgreSQL against a stub of Meta."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from core.broker.envelopes import Ticket
from core.secrets import read_callback
from core.settings import Settings
from core.store.database import Pool
from core.whatsapp.client import open_session
from sender.worker.dispatcher import Dispatcher
from tests.sender.meta_stub import MetaStub
from tests.sender.world import World

MakeTicket = Callable[..., Ticket]


@pytest.fixture
def database(each_database: Settings) -> Settings:
    """On each PostgreSQL: the statements here are the ones that must not depend on its version."""
    return each_database


async def test_a_ticket_is_sent_once_and_each_fact_recorded_once(
    world: World, meta: MetaStub, dispatcher: Dispatcher, ticket_for: MakeTicket
) -> None:
    ids = world.add_messages(world.add_campaign(), world.add_contacts(5))
    await dispatcher.handle(ticket_for(ids))
    await dispatcher.handle(ticket_for(ids))  # the broker delivers at least once
    assert len(meta.received) == 5
    assert world.states() == {"accepted": 5}
    assert world.events() == {"accepted": 5}
    attempts = world.execute("select outcome, attempt_no from app.message_attempts")
    assert attempts == [("accepted", 1)] * 5
    assert world.one("select count(*) from app.message_wamids") == 5
    token = read_callback(meta.received[0]["biz_opaque_callback_data"])
    assert token is not None
    assert (token.tenant_id, token.attempt_no) == (world.tenant_id, 1)
    assert token.message_id in ids


async def test_two_workers_with_the_same_ticket_send_nothing_twice(
    world: World, meta: MetaStub, dispatcher: Dispatcher, ticket_for: MakeTicket
) -> None:
    ids = world.add_messages(world.add_campaign(), world.add_contacts(60))
    await asyncio.gather(*(dispatcher.handle(ticket_for(ids)) for _ in range(4)))
    assert max(meta.per_recipient().values()) == 1
    assert len(meta.received) == 60


async def test_an_opt_out_committed_before_the_claim_means_no_post(
    world: World, meta: MetaStub, dispatcher: Dispatcher, ticket_for: MakeTicket
) -> None:
    contacts = world.add_contacts(3)
    ids = world.add_messages(world.add_campaign(), contacts, category="marketing")
    world.consent(contacts[0], granted=True)
    world.consent(contacts[1], granted=False)
    world.execute(
        "insert into app.suppressions (tenant_id, contact_id, reason) values (%s, %s, 'test')",
        world.tenant_id,
        contacts[2],
    )
    await dispatcher.handle(ticket_for(ids))
    assert len(meta.received) == 1
    assert world.states() == {"accepted": 1, "cancelled": 2}
    reasons = world.execute(
        "select reason from raw.message_events where event_type = 'cancelled' order by reason"
    )
    assert reasons == [("opted_out",), ("suppressed",)]


@pytest.mark.parametrize(
    "stop",
    [
        "update app.campaigns set status = 'paused'",
        "update app.phone_numbers set paused_until = now() + interval '1 hour'",
        "update app.whatsapp_accounts set blocked_reason = 'test'",
        "update app.templates set halted_reason = 'test'",
        "update app.tenants set status = 'suspended'",
        "update app.messages set not_before = now() + interval '1 minute'",
    ],
)
async def test_what_is_stopped_is_not_claimed(
    world: World, meta: MetaStub, dispatcher: Dispatcher, ticket_for: MakeTicket, stop: str
) -> None:
    ids = world.add_messages(world.add_campaign(), world.add_contacts(2))
    world.execute(stop)
    await dispatcher.handle(ticket_for(ids))
    assert meta.received == []
    assert world.states() == {"queued": 2}


@pytest.mark.parametrize(
    "stop",
    [
        "update app.campaigns set status = 'paused'",
        "update app.phone_numbers set paused_until = now() + interval '1 hour'",
        "update app.whatsapp_accounts set blocked_reason = 'test'",
        "update app.templates set halted_reason = 'test'",
        "update app.tenants set status = 'suspended'",
        "insert into ops.switches (switch_id, scope, reason, set_by, expires_at)"
        " values (gen_random_uuid(), 'everything', 'test', 'test', now() + interval '1 hour')",
    ],
)
async def test_what_is_stopped_while_claims_wait_for_a_slow_meta_is_not_posted(
    world: World,
    database: Settings,
    pool: Pool,
    meta: MetaStub,
    ticket_for: MakeTicket,
    stop: str,
) -> None:
    """A pause acts within 2 s also on what was claimed and waits at the gate."""
    ids = world.add_messages(world.add_campaign(), world.add_contacts(8))

    posting = asyncio.Event()

    async def slow(payload: dict[str, Any]) -> web.StreamResponse:
        if len(meta.received) == 2:
            posting.set()
        await asyncio.sleep(0.8)
        return await meta.accept(payload)

    meta.answer = slow
    settings = database.model_copy(update={"meta_base_url": meta.url, "meta_max_connections": 2})
    async with open_session(max_connections=2, timeout_seconds=5) as session:
        dispatcher = Dispatcher(settings, pool, session, worker="slow")
        handled = asyncio.create_task(dispatcher.handle(ticket_for(ids)))
        await posting.wait()
        world.execute(stop)
        await handled
    assert len(meta.received) == 2
    assert world.states() == {"accepted": 2, "queued": 6}


async def test_who_withdraws_while_their_claim_waits_for_a_slow_meta_is_not_written_to(
    world: World, database: Settings, pool: Pool, meta: MetaStub, ticket_for: MakeTicket
) -> None:
    contacts = world.add_contacts(3)
    ids = world.add_messages(None, contacts, category="marketing")

    posting = asyncio.Event()

    async def slow(payload: dict[str, Any]) -> web.StreamResponse:
        if len(meta.received) == 1:
            posting.set()
        await asyncio.sleep(0.8)
        return await meta.accept(payload)

    meta.answer = slow
    settings = database.model_copy(update={"meta_base_url": meta.url, "meta_max_connections": 1})
    async with open_session(max_connections=1, timeout_seconds=5) as session:
        dispatcher = Dispatcher(settings, pool, session, worker="slow")
        handled = asyncio.create_task(dispatcher.handle(ticket_for(ids)))
        await posting.wait()
        world.consent(contacts[2], granted=False)
        await handled
    assert len(meta.received) == 2
    assert world.states() == {"accepted": 2, "queued": 1}


async def test_an_expired_ticket_claims_nothing(
    world: World, meta: MetaStub, dispatcher: Dispatcher, ticket_for: MakeTicket
) -> None:
    ids = world.add_messages(None, world.add_contacts(1))
    await dispatcher.handle(ticket_for(ids, seconds=-1))
    assert (meta.received, world.states()) == ([], {"queued": 1})


async def test_a_message_past_its_time_expires_instead_of_going_out(
    world: World, meta: MetaStub, dispatcher: Dispatcher, ticket_for: MakeTicket
) -> None:
    ids = world.add_messages(None, world.add_contacts(1))
    world.execute("update app.messages set expires_at = now() - interval '1 second'")
    await dispatcher.handle(ticket_for(ids))
    assert (meta.received, world.states(), world.events()) == ([], {"expired": 1}, {"expired": 1})


async def test_throttled_messages_wait_and_the_number_slows_down_once(
    world: World, meta: MetaStub, dispatcher: Dispatcher, ticket_for: MakeTicket
) -> None:
    ids = world.add_messages(world.add_campaign(), world.add_contacts(20))
    meta.answer = meta.refuse(130429, 429)
    await dispatcher.handle(ticket_for(ids))
    assert world.states() == {"queued": 20}
    assert world.one("select granted_per_second from app.phone_numbers") == 700
    assert world.execute("select distinct outcome from app.message_attempts") == [("throttled",)]
    assert world.events() == {}
    world.execute("update app.messages set not_before = null")
    meta.answer = meta.accept
    await dispatcher.handle(ticket_for(ids))
    assert world.states() == {"accepted": 20}


async def test_a_cut_connection_leaves_the_message_in_doubt_and_is_never_repeated(
    world: World, meta: MetaStub, dispatcher: Dispatcher, ticket_for: MakeTicket
) -> None:
    ids = world.add_messages(world.add_campaign(), world.add_contacts(3))
    meta.answer = meta.vanish
    await dispatcher.handle(ticket_for(ids))
    await dispatcher.handle(ticket_for(ids))
    assert max(meta.per_recipient().values()) == 1
    assert world.states() == {"in_doubt": 3}
    assert world.events() == {"in_doubt": 3}
    assert world.execute("select distinct outcome from app.message_attempts") == [("in_doubt",)]


async def test_a_refused_connection_goes_back_to_the_queue(
    world: World, database: Settings, pool: Pool, ticket_for: MakeTicket
) -> None:
    ids = world.add_messages(world.add_campaign(), world.add_contacts(2))
    nobody = database.model_copy(update={"meta_base_url": "http://127.0.0.1:9"})
    async with open_session(max_connections=5, timeout_seconds=1) as session:
        await Dispatcher(nobody, pool, session, worker="w").handle(ticket_for(ids))
    assert world.states() == {"queued": 2}
    assert world.one("select count(*) from app.messages where not_before > now()") == 2


@pytest.mark.parametrize(
    ("code", "check", "alert"),
    [
        (190, "select blocked_reason from app.whatsapp_accounts", "account_blocked"),
        (368, "select blocked_reason from app.whatsapp_accounts", "account_blocked"),
        (131031, "select paused_until from app.phone_numbers", "number_paused"),
        (131048, "select paused_until from app.phone_numbers", "number_paused"),
        (132015, "select halted_reason from app.templates", "template_halted"),
        (131026, "select reason from app.suppressions limit 1", None),
        (999_999, "select detail from app.alerts", "unknown_error_code"),
    ],
)
async def test_an_error_stops_what_it_is_about_and_tells_people_once(
    world: World,
    meta: MetaStub,
    dispatcher: Dispatcher,
    ticket_for: MakeTicket,
    *,
    code: int,
    check: str,
    alert: str | None,
) -> None:
    ids = world.add_messages(world.add_campaign(), world.add_contacts(3))
    meta.answer = meta.refuse(code)
    await dispatcher.handle(ticket_for(ids))
    assert world.one(check) is not None
    assert [kind for (kind,) in world.execute("select kind from app.alerts")] == (
        [alert] if alert else []
    )


async def test_an_answer_that_meta_stopped_marketing_is_written_into_the_ledger(
    world: World, meta: MetaStub, dispatcher: Dispatcher, ticket_for: MakeTicket
) -> None:
    contacts = world.add_contacts(1)
    world.consent(contacts[0], granted=True)
    ids = world.add_messages(world.add_campaign(), contacts, category="marketing")
    meta.answer = meta.refuse(131050)
    await dispatcher.handle(ticket_for(ids))
    assert world.states() == {"failed": 1}
    assert world.one("select granted from app.consent_states") is False
    assert world.one("select count(*) from app.consents where action = 'revoked'") == 1


async def test_whom_meta_stopped_is_asked_of_whoever_the_person_is_by_then(
    world: World, meta: MetaStub, dispatcher: Dispatcher, ticket_for: MakeTicket
) -> None:
    """Merged while the call was under way: a withdrawal of the closed row would stop nothing."""
    contacts = world.add_contacts(2)
    world.consent(contacts[1], granted=True)
    ids = world.add_messages(world.add_campaign(), contacts[:1], category="marketing")
    refuse = meta.refuse(131050)

    async def merge_and_refuse(payload: dict[str, Any]) -> web.StreamResponse:
        world.execute(
            "update app.contacts set merged_into = %s, erased_at = now() where contact_id = %s",
            contacts[1],
            contacts[0],
        )
        return await refuse(payload)

    meta.answer = merge_and_refuse
    await dispatcher.handle(ticket_for(ids))
    assert world.execute("select contact_id, granted from app.consent_states") == [
        (contacts[1], False)
    ]
