"""When Meta does not answer: few messages get into doubt, the rest wait and go out afterwards."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import psycopg
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from core.broker.envelopes import Ticket
from core.domain.ids import PhoneNumberId, TenantId
from core.settings import DatabaseRole, Settings
from core.store.database import Connection, Pool, platform_transaction
from core.whatsapp.client import open_session
from sender.consequences import pause_number
from sender.pacer.pacer import Pacer
from sender.worker.dispatcher import Dispatcher
from sender.worker.weather import (
    FEWEST_CALLS,
    LAST_CALLS,
    LONGEST_REST_SECONDS,
    Weather,
    rest_seconds,
)
from tests.sender.meta_stub import MetaStub
from tests.sender.test_pacer import Notebook
from tests.sender.world import World

MakeTicket = Callable[..., Ticket]
_CONNECTIONS = 10


def observe(weather: Weather, answers: list[bool], *, start: float = 0.0) -> None:
    for index, answered in enumerate(answers):
        at = start + index / 100
        weather.observe(answered=answered, began_at=at, at=at)


@given(answers=st.lists(st.booleans(), max_size=200))
def test_a_number_rests_when_and_only_when_most_of_its_last_calls_were_lost(
    answers: list[bool],
) -> None:
    weather = Weather()
    last: list[bool] = []
    for index, answered in enumerate(answers):
        weather.observe(answered=answered, began_at=index / 100, at=index / 100)
        last = [*last, answered][-LAST_CALLS:]
        lost = last.count(False)
        if weather.allow(index / 100) == 0:
            assert len(last) >= FEWEST_CALLS
            assert not answered
            assert 2 * lost > len(last)
            return
        assert answered or len(last) < FEWEST_CALLS or 2 * lost <= len(last)


@given(rests=st.integers(min_value=0, max_value=10_000))
def test_rests_double_up_to_two_minutes(rests: int) -> None:
    assert 5 <= rest_seconds(rests) <= rest_seconds(rests + 1) <= LONGEST_REST_SECONDS
    assert [rest_seconds(n) for n in range(7)] == [5, 10, 20, 40, 80, 120, 120]


def test_old_losses_are_forgotten() -> None:
    weather = Weather()
    for index in range(200):
        weather.observe(answered=False, began_at=index * 4.0, at=index * 4.0)
    assert weather.allow(800.0) is None


@given(lost=st.integers(min_value=1, max_value=8))
def test_one_message_at_a_time_goes_ahead_until_one_is_answered(lost: int) -> None:
    weather, at = Weather(), 0.2
    observe(weather, [False] * FEWEST_CALLS)
    for number in range(lost):
        assert weather.take_rest() == rest_seconds(number)
        assert weather.allow(at) == 0
        # A call from before the rest says nothing about what comes after it.
        weather.observe(answered=True, began_at=at - 1, at=at)
        at += rest_seconds(number)
        assert (weather.allow(at), weather.allow(at)) == (1, 0)
        weather.observe(answered=False, began_at=at, at=at)
        weather.end_probe()
    at += LONGEST_REST_SECONDS
    assert weather.allow(at) == 1
    weather.observe(answered=True, began_at=at, at=at)
    weather.end_probe()
    assert weather.allow(at) is None
    assert weather.take_fair(at)


def test_fair_weather_is_told_at_first_and_once_a_minute() -> None:
    weather, told = Weather(), 0
    for second in range(181):
        weather.observe(answered=True, began_at=second, at=second)
        told += weather.take_fair(float(second))
    assert told == 4


@pytest.fixture
async def session(database: Settings) -> AsyncIterator[Connection]:
    dsn = database.dsn(DatabaseRole.WORKER)
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
async def careful(database: Settings, pool: Pool, meta: MetaStub) -> AsyncIterator[Dispatcher]:
    """A dispatcher with few connections, so that the bound is far below the campaign."""
    settings = database.model_copy(
        update={
            "meta_base_url": meta.url,
            "send_timeout_seconds": 2,
            "meta_max_connections": _CONNECTIONS,
        }
    )
    async with open_session(max_connections=_CONNECTIONS, timeout_seconds=2) as http:
        yield Dispatcher(settings, pool, http, worker="test-worker")


async def send_what_is_due(pacer: Pacer, notebook: Notebook, dispatcher: Dispatcher) -> None:
    await pacer.tick()
    tickets, notebook.tickets = notebook.tickets, []
    await asyncio.gather(*(dispatcher.handle(ticket) for ticket in tickets))
    await asyncio.sleep(0.01)


@pytest.mark.slow
async def test_meta_down_puts_few_messages_in_doubt_and_the_rest_go_out_afterwards(
    world: World,
    session: Connection,
    careful: Dispatcher,
    meta: MetaStub,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sender.worker.weather.FIRST_REST_SECONDS", 1)

    async def bad_gateway(_payload: object) -> web.StreamResponse:
        return web.Response(status=502, text="<html>Bad Gateway</html>")

    meta.answer = bad_gateway
    campaign = world.add_campaign()
    world.add_messages(campaign, world.add_contacts(150))
    notebook = Notebook()
    pacer = Pacer(session, notebook)
    rests = "select occurrences from app.alerts where kind = 'meta_unavailable'"
    end = time.monotonic() + 20
    # Down for two rests: the second begins with the one message that went ahead.
    while world.execute(rests) != [(2,)]:
        assert time.monotonic() < end
        await send_what_is_due(pacer, notebook, careful)
    in_doubt = world.states()["in_doubt"]
    # What it takes to see it, what was under way then, and one for each rest since.
    assert in_doubt <= FEWEST_CALLS + _CONNECTIONS + 1
    assert world.states() == {"in_doubt": in_doubt, "queued": 150 - in_doubt}
    assert world.one("select pause_reason from app.phone_numbers") == "Meta does not answer"
    assert world.one("select count(*) from app.alerts") == 1
    meta.answer = meta.accept
    while world.states().get("queued"):
        assert time.monotonic() < end
        await send_what_is_due(pacer, notebook, careful)
    assert world.states() == {"in_doubt": in_doubt, "accepted": 150 - in_doubt}
    assert max(meta.per_recipient().values()) == 1
    assert world.one("select count(*) from app.alerts where closed_at is null") == 0


async def test_one_number_without_answers_stops_no_other(
    database: Settings, world: World, careful: Dispatcher, meta: MetaStub, ticket_for: MakeTicket
) -> None:
    other = World(settings=database, waba_id="109", phone_number_id="209", prefix="+55118").build()

    async def down_for_one(payload: dict[str, object]) -> web.StreamResponse:
        if str(payload["to"]).startswith("+55119"):
            return web.Response(status=503)
        return await meta.accept(payload)

    meta.answer = down_for_one
    mine = world.add_messages(None, world.add_contacts(60))
    theirs = other.add_messages(None, other.add_contacts(60))
    ticket = ticket_for(mine)
    neighbour = replace(
        ticket_for(theirs),
        tenant_id=TenantId(other.tenant_id),
        phone_number_id=PhoneNumberId(other.phone_number_id),
    )
    await asyncio.gather(careful.handle(ticket), careful.handle(neighbour))
    states = dict(
        world.execute(
            "select state, count(*) from app.messages where tenant_id = %s group by state",
            other.tenant_id,
        )
    )
    assert states == {"accepted": 60}
    assert world.one(
        "select count(*) from app.phone_numbers where paused_until > now()"
        " and phone_number_id = %s",
        world.phone_number_id,
    )


async def test_a_rest_neither_shortens_nor_renames_a_longer_pause(world: World, pool: Pool) -> None:
    async with platform_transaction(pool) as connection:
        for seconds, reason in ((None, "131048 spam_limit"), (5, "Meta does not answer")):
            await pause_number(
                connection,
                tenant_id=TenantId(world.tenant_id),
                phone_number_id=PhoneNumberId(world.phone_number_id),
                seconds=seconds,
                reason=reason,
            )
    assert world.one(
        "select pause_reason, paused_until > now() + interval '1 year' from app.phone_numbers"
    ) == ("131048 spam_limit", True)
