"""A portfolio's limit holds its campaigns back, over all its numbers and tenants."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import psycopg
import pytest

from core.domain.ids import new_id
from core.settings import DatabaseRole, Settings
from core.store import portfolios
from core.store.database import Connection
from sender.pacer.pacer import Pacer
from sender.pacer.scheduling import TRICKLE
from tests.sender.test_pacer import Notebook
from tests.sender.world import World


@pytest.fixture
async def session(database: Settings) -> AsyncIterator[Connection]:
    dsn = database.dsn(DatabaseRole.WORKER)
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        yield connection


def limit(world: World, people: int | None, portfolio_id: str = "1") -> None:
    world.execute(
        "insert into app.portfolios (tenant_id, portfolio_id, people_per_day) values (%s, %s, %s)",
        world.tenant_id,
        portfolio_id,
        people,
    )


def reach(world: World, contacts: Sequence[UUID], ago: str) -> None:
    for contact_id in contacts:
        world.execute(
            "insert into app.portfolio_reach values (%s, '1', %s, now() - %s::interval)",
            world.tenant_id,
            contact_id,
            ago,
        )


async def issued(session: Connection, *, ticks: int) -> int:
    pacer, count = Pacer(session, Notebook()), 0
    end = time.monotonic() + 0.9
    for _ in range(ticks):
        count += await pacer.tick()
        await asyncio.sleep(0.05)
        if time.monotonic() >= end:
            break
    return count


async def test_campaigns_get_no_more_tickets_than_the_head_room(
    world: World, session: Connection
) -> None:
    limit(world, 60)
    world.add_messages(world.add_campaign(), world.add_contacts(300))
    reach(world, [new_id() for _ in range(30)], "1 hour")
    reach(world, [new_id() for _ in range(30)], "25 hours")
    count = await issued(session, ticks=16)
    # Thirty are free; then a trickle for those who need no room.
    assert 30 <= count <= 30 + TRICKLE


async def test_a_full_portfolio_gives_a_trickle_to_find_those_who_need_no_room(
    world: World, session: Connection
) -> None:
    limit(world, 10)
    world.add_messages(world.add_campaign(), world.add_contacts(300))
    reach(world, [new_id() for _ in range(10)], "1 hour")
    assert 0 < await issued(session, ticks=16) <= TRICKLE


async def test_single_messages_are_not_held_back_by_the_pacer(
    world: World, session: Connection
) -> None:
    limit(world, 1)
    contacts = world.add_contacts(40)
    reach(world, contacts[:1], "1 hour")
    world.add_messages(None, contacts)
    assert await issued(session, ticks=16) == 40


async def test_tenants_that_share_a_portfolio_share_its_limit(
    world: World, session: Connection, database: Settings
) -> None:
    other = World(settings=database, waba_id="109", phone_number_id="209").build()
    limit(world, 100)
    limit(other, 100)
    reach(world, [new_id() for _ in range(40)], "1 hour")
    reach(other, [new_id() for _ in range(25)], "3 hours")
    [usage] = await portfolios.list_usage(session)
    assert (usage.people_per_day, usage.used, usage.free) == (100, 65, 35)
    assert usage.next_free_at is None
    assert await portfolios.list_usage(session, without=["1"]) == []


@pytest.mark.parametrize(
    ("first", "then", "counts"),
    [(100, 2_000, 100), (2_000, 250, 250), (250, None, 250), (None, 250, 250)],
)
async def test_the_smallest_limit_that_anybody_heard_counts_until_all_heard_the_larger(
    world: World,
    session: Connection,
    database: Settings,
    first: int | None,
    then: int | None,
    counts: int,
) -> None:
    other = World(settings=database, waba_id="109", phone_number_id="209").build()
    limit(world, first)
    limit(other, then)
    [usage] = await portfolios.list_usage(session)
    assert usage.people_per_day == counts
    for one in (world, other):
        one.execute("update app.portfolios set people_per_day = 10000, updated_at = now()")
    [usage] = await portfolios.list_usage(session)
    assert usage.people_per_day == 10_000


async def test_whom_a_tenant_reached_that_heard_no_limit_counts_and_is_forgotten(
    world: World, session: Connection, database: Settings
) -> None:
    other = World(settings=database, waba_id="109", phone_number_id="209").build()
    limit(world, 100)
    reach(other, [new_id() for _ in range(25)], "3 hours")
    reach(other, [new_id() for _ in range(4)], "26 hours")
    [usage] = await portfolios.list_usage(session)
    assert (usage.used, usage.free) == (25, 75)
    assert await portfolios.forget_reach(session, limit=10) == 4


async def test_a_portfolio_without_a_limit_is_not_counted(
    world: World, session: Connection
) -> None:
    limit(world, None)
    assert await portfolios.list_usage(session) == []


async def test_who_fell_out_of_the_moving_day_is_forgotten_a_few_at_a_time(
    world: World, session: Connection
) -> None:
    limit(world, 10)
    reach(world, [new_id() for _ in range(3)], "26 hours")
    reach(world, [new_id()], "23 hours")
    assert await portfolios.forget_reach(session, limit=2) == 2
    assert await portfolios.forget_reach(session, limit=2) == 1
    assert await portfolios.forget_reach(session, limit=2) == 0
    assert world.one("select count(*) from app.portfolio_reach") == 1
