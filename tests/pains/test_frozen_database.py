"""PostgreSQL stops in the middle of something (SIGSTOP): all waits end, nothing is lost or doubled.

The worst moment is the commit: its answer is lost, and the server carries it out when it moves.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from core.broker.envelopes import Ticket
from core.clock import utc_now
from core.domain.ids import MessageId, PhoneNumberId, TenantId
from core.dsn import DatabaseRole
from core.errors import Unavailable
from core.settings import Settings
from core.store import dispatch, webhooks
from core.store.database import Pool, open_connection, open_pool, platform_transaction
from sender.applier.applier import apply_batch
from sender.consequences import apply_consequences
from sender.worker.dispatcher import Dispatcher
from sender.worker.outcomes import Moment, judge_not_sent
from tests.api.test_campaigns import Admin
from tests.api.test_webhook_landing import URL, signed, stored
from tests.sender.landing import land, messages_body, status, token_of
from tests.sender.meta_stub import MetaStub
from tests.sender.world import World
from tests.support.databases import DatabaseServer
from tests.support.frozen import Ice, freezable_postgres

_PATIENCE_SECONDS = 120
_Ours = tuple[DatabaseServer, psutil.Process]


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Ours]:
    with freezable_postgres(tmp_path_factory.mktemp("freezable")) as server_and_postmaster:
        yield server_and_postmaster


@pytest.fixture
def database(ours: _Ours) -> Iterator[Settings]:
    """In the place of the server that all tests of this process share."""
    with ours[0].migrated_database() as settings:
        yield settings


@pytest.fixture
def ice(ours: _Ours, database: Settings) -> Iterator[Ice]:
    ice = Ice(ours[1])
    yield ice
    ice.thaw()


@pytest.fixture
async def pool(database: Settings) -> Any:
    dsn = database.dsn(DatabaseRole.WORKER)
    async with open_pool(dsn, name="impatient", max_size=4, answer_seconds=1.0) as opened:
        yield opened


def freezing_after(function: Callable[..., Awaitable[Any]], ice: Ice) -> Callable[..., Any]:
    """The function, and once after it nothing moves: the next word to the server is the commit."""

    async def call(*arguments: Any, **named: Any) -> Any:
        result = await function(*arguments, **named)
        if not ice.frozen.is_set():
            ice.freeze()
        return result

    return call


async def asked(pool: Pool) -> bool:
    """Whether the server answers through this pool."""
    try:
        async with platform_transaction(pool) as connection:
            await connection.execute("select 1")
    except (Unavailable, psycopg.OperationalError):
        return False
    return True


async def test_every_wait_for_a_frozen_server_ends_by_itself(
    database: Settings, pool: Pool, ice: Ice
) -> None:
    async with (
        asyncio.timeout(_PATIENCE_SECONDS),
        open_connection(database.dsn(DatabaseRole.WORKER), answer_seconds=1.0) as session,
    ):
        assert await asked(pool)
        ice.freeze()
        with pytest.raises(psycopg.OperationalError):
            await session.execute("select 1")
        assert not await asked(pool)
        # Nothing but connections to be made anew is left now.
        assert not await asked(pool)
        ice.thaw()
        while not await asked(pool):
            continue


async def test_a_statement_whose_client_was_cut_off_does_not_stay_on_the_server(
    database: Settings, admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.store.database._GONE_SECONDS", 1)
    waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
    dsn = database.dsn(DatabaseRole.WORKER)
    with admin.transaction():
        admin.execute("lock table app.templates in access exclusive mode")
        async with open_connection(dsn, answer_seconds=3.0) as session:
            with pytest.raises(psycopg.OperationalError):
                await session.execute("select count(*) from app.templates")
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while await asyncio.to_thread(lambda: admin.execute(waiting).fetchone()) != (0,):
                continue


async def test_a_frozen_server_makes_the_api_not_ready_and_no_webhook_is_acknowledged(
    anonymous: httpx.AsyncClient, admin: Admin, ice: Ice
) -> None:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        assert (await anonymous.get("/health/ready")).status_code == 200
        acknowledged = [b"[0]"]
        assert (await anonymous.post(URL, content=b"[0]", headers=signed(b"[0]"))).is_success
        ice.freeze()
        bodies = [json.dumps([number]).encode() for number in range(1, 20)]
        looking = asyncio.create_task(anonymous.get("/health/ready"))
        answers = await asyncio.gather(
            *(anonymous.post(URL, content=body, headers=signed(body)) for body in bodies),
        )
        # Who asks whether we are ready is told before those whose bodies wait for a commit.
        assert looking.done()
        ready = looking.result()
        assert (ready.status_code, ready.json()["database"]) == (503, "no_answer")
        assert int(ready.headers["Retry-After"]) > 0
        assert {(answer.status_code, answer.headers["Retry-After"]) for answer in answers} == {
            (503, "2")
        }
        ice.thaw()
        # Meta sends them again.
        for body in bodies:
            while not (await anonymous.post(URL, content=body, headers=signed(body))).is_success:
                continue
            acknowledged.append(body)
        assert (await anonymous.get("/health/ready")).status_code == 200
    assert set(stored(admin)) == set(acknowledged)


async def thawed(ice: Ice, pool: Pool, seconds: float = 2.0) -> None:
    """Let the server move when whoever waited has been cut off, and wait until it does."""
    await asyncio.sleep(seconds)
    ice.thaw()
    while not await asked(pool):
        continue


async def test_outcomes_whose_commit_got_no_answer_are_recorded_once(
    world: World,
    pool: Pool,
    ice: Ice,
    meta: MetaStub,
    dispatcher: Dispatcher,
    ticket_for: Callable[..., Ticket],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ids = world.add_messages(world.add_campaign(), world.add_contacts(20))
    name = "sender.worker.dispatcher.apply_consequences"
    monkeypatch.setattr(name, freezing_after(apply_consequences, ice))
    async with asyncio.timeout(_PATIENCE_SECONDS):
        # The worker tries to record for some seconds; the server moves again before that ends.
        sending = asyncio.create_task(dispatcher.handle(ticket_for(ids)))
        await ice.frozen.wait()
        await thawed(ice, pool)
        await sending
    assert world.states() == {"accepted": 20}
    assert world.events() == {"accepted": 20}
    assert set(meta.per_recipient().values()) == {1}
    assert world.one("select count(*), max(attempt_no) from app.message_attempts") == (20, 1)


async def test_a_claim_whose_commit_got_no_answer_sends_nothing(
    world: World,
    pool: Pool,
    ice: Ice,
    meta: MetaStub,
    dispatcher: Dispatcher,
    ticket_for: Callable[..., Ticket],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ids = world.add_messages(world.add_campaign(), world.add_contacts(20))
    name = "sender.worker.dispatcher.dispatch.find_account_token"
    monkeypatch.setattr(name, freezing_after(dispatch.find_account_token, ice))
    async with asyncio.timeout(_PATIENCE_SECONDS):
        with pytest.raises(psycopg.OperationalError):
            await dispatcher.handle(ticket_for(ids))
        await thawed(ice, pool)
    assert meta.received == []
    # Leased to a worker that has forgotten them, or not claimed at all: both are settled by rows.
    assert set(world.states()) <= {"sending", "queued"}
    await dispatcher.handle(ticket_for(ids))
    assert set(meta.per_recipient().values()) <= {1}


async def test_a_batch_of_webhooks_whose_commit_got_no_answer_counts_once(
    world: World, pool: Pool, ice: Ice, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = world.add_messages(world.add_campaign(), world.add_contacts(20), state="accepted")
    world.execute("update app.messages set attempt_no = 1, accepted_at = now()")
    land(
        world,
        *(
            messages_body(world, status(f"wamid.{number}", "delivered", token=token_of(world, own)))
            for number, own in enumerate(ids)
        ),
    )
    name = "sender.applier.applier.webhooks.delete_applied"
    monkeypatch.setattr(name, freezing_after(webhooks.delete_applied, ice))
    async with asyncio.timeout(_PATIENCE_SECONDS):
        with pytest.raises(psycopg.OperationalError):
            await apply_batch(pool)
        await thawed(ice, pool)
    await apply_batch(pool)
    assert world.states() == {"delivered": 20}
    assert world.events() == {"delivered": 20}
    assert world.one("select count(*) from raw.webhook_queue") == 0


async def test_a_second_record_of_what_never_left_does_not_touch_the_next_claim(
    world: World, pool: Pool
) -> None:
    """The first record was committed and its answer lost; meanwhile the message was claimed anew.

    What never left gives its attempt number back, so both claims have the same number.
    """
    (message_id,) = world.add_messages(world.add_campaign(), world.add_contacts(1))
    claim = partial(
        dispatch.claim_messages,
        tenant_id=TenantId(world.tenant_id),
        phone_number_id=PhoneNumberId(world.phone_number_id),
        message_ids=[MessageId(message_id)],
        lease_seconds=60,
    )
    async with platform_transaction(pool) as connection:
        (first,) = await claim(connection, worker="one")
    moment = Moment(requested_at=None, answered_at=utc_now())
    record = partial(
        dispatch.record_outcomes,
        tenant_id=TenantId(world.tenant_id),
        worker="one",
        outcomes=[judge_not_sent(first, moment, wait_seconds=0, detail="lease").outcome],
    )
    async with platform_transaction(pool) as connection:
        await record(connection)
    assert world.states() == {"queued": 1}
    async with platform_transaction(pool) as connection:
        (second,) = await claim(connection, worker="two")
    assert second.attempt_no == first.attempt_no
    async with platform_transaction(pool) as connection:
        await record(connection)
    assert world.states() == {"sending": 1}
