"""What the claim refuses and what it defers; a wait is never an attempt."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.broker.envelopes import Ticket
from core.domain.ids import MessageId, PhoneNumberId, TenantId, new_id
from core.settings import Settings
from core.store import dispatch
from core.store.database import Pool, platform_transaction
from core.store.dispatch import ClaimedMessage
from sender.worker.dispatcher import Dispatcher
from tests.sender.meta_stub import MetaStub
from tests.sender.world import World

MakeTicket = Callable[..., Ticket]
WINDOW = timedelta(hours=24)


async def claim(pool: Pool, world: World, ids: list[UUID]) -> list[ClaimedMessage]:
    async with platform_transaction(pool) as connection:
        return await dispatch.claim_messages(
            connection,
            tenant_id=TenantId(world.tenant_id),
            phone_number_id=PhoneNumberId(world.phone_number_id),
            message_ids=[MessageId(one) for one in ids],
            worker="w",
            lease_seconds=60,
        )


def open_window(world: World, contact_id: UUID, *, hours: int = 24) -> None:
    world.execute(
        "insert into app.service_windows (tenant_id, phone_number_id, contact_id, opened_at,"
        " expires_at) values (%s, %s, %s, now(), now() + %s)",
        world.tenant_id,
        world.phone_number_id,
        contact_id,
        timedelta(hours=hours),
    )


def limit_portfolio(world: World, people: int) -> None:
    world.execute(
        "insert into app.portfolios (tenant_id, portfolio_id, people_per_day) values (%s, '1', %s)",
        world.tenant_id,
        people,
    )


@pytest.mark.parametrize("scope", ["everything", "tenant", "campaign", "number"])
async def test_a_switch_in_force_stops_claims_of_its_scope(
    world: World, pool: Pool, scope: str
) -> None:
    campaign_id = world.add_campaign()
    ids = world.add_messages(campaign_id, world.add_contacts(2))
    subject = {"campaign": str(campaign_id), "number": world.phone_number_id}.get(scope)
    tenant_id = None if scope == "everything" else world.tenant_id
    world.execute(
        "insert into ops.switches (switch_id, scope, tenant_id, subject, reason, set_by,"
        " expires_at) values (%s, %s, %s, %s, 'test', 'ana', now() + interval '1 hour')",
        new_id(),
        scope,
        tenant_id,
        subject,
    )
    assert await claim(pool, world, ids) == []
    assert world.states() == {"queued": 2}
    world.execute("update ops.switches set expires_at = now()")
    assert len(await claim(pool, world, ids)) == 2


async def test_another_campaigns_switch_stops_nobody_here(world: World, pool: Pool) -> None:
    ids = world.add_messages(world.add_campaign(), world.add_contacts(1))
    world.execute(
        "insert into ops.switches (switch_id, scope, tenant_id, subject, reason, set_by,"
        " expires_at) values (%s, 'campaign', %s, %s, 'test', 'ana', now() + interval '1 hour')",
        new_id(),
        world.tenant_id,
        str(new_id()),
    )
    assert len(await claim(pool, world, ids)) == 1


async def test_a_wave_goes_when_its_campaign_releases_it(world: World, pool: Pool) -> None:
    campaign_id = world.add_campaign()
    ids = world.add_messages(campaign_id, world.add_contacts(2))
    world.execute("update app.messages set wave = 2 where message_id = %s", ids[1])
    world.execute("update app.messages set wave = 1 where message_id = %s", ids[0])
    world.execute("update app.campaigns set released_wave = 1")
    assert [one.message_id for one in await claim(pool, world, ids)] == [ids[0]]
    world.execute("update app.campaigns set released_wave = 2")
    assert [one.message_id for one in await claim(pool, world, ids)] == [ids[1]]


def stay_quiet(world: World, until: datetime) -> None:
    """Quiet for people in Manaus, whatever the hour."""
    with psycopg.connect(world.settings.database_url, autocommit=True) as connection:
        connection.execute(
            "create or replace function app.quiet_until(wanted_tenant_id uuid, wanted_country"
            " text, wanted_category text, zone text, at timestamptz) returns timestamptz"
            " language plpgsql stable as $$ begin return case when zone = 'America/Manaus' then"
            f" '{until.isoformat()}'::timestamptz end; end $$"
        )


async def test_in_a_persons_quiet_hours_the_message_waits_for_their_end(
    world: World, pool: Pool
) -> None:
    ids = world.add_messages(world.add_campaign(), world.add_contacts(3))
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=3)
    world.execute(
        "update app.messages set recipient_timezone = case when message_id = %s"
        " then 'America/Recife' else 'America/Manaus' end, expires_at = now() + interval '1 day'",
        ids[0],
    )
    world.execute(
        "update app.messages set expires_at = now() + interval '1 hour' where message_id = %s",
        ids[2],
    )
    stay_quiet(world, end)
    assert [one.message_id for one in await claim(pool, world, ids)] == [ids[0]]
    rows = world.execute(
        "select state, reason, not_before, attempt_no from app.messages order by message_id"
    )
    assert rows[1] == ("queued", None, end, 0)
    assert rows[2] == ("expired", "quiet_hours", None, 0)
    assert world.events() == {"expired": 1}


async def test_free_text_without_an_open_window_fails_without_a_request(
    world: World, meta: MetaStub, dispatcher: Dispatcher, ticket_for: MakeTicket
) -> None:
    contacts = world.add_contacts(3)
    ids = world.add_messages(
        None,
        contacts,
        category="service",
        content={"type": "text", "text": {"body": "Oi", "preview_url": False}},
    )
    world.execute("update app.messages set kind = 'text', template_id = null")
    open_window(world, contacts[0])
    open_window(world, contacts[1], hours=-1)
    await dispatcher.handle(ticket_for(ids))
    assert len(meta.received) == 1
    failed = world.execute(
        "select error_code, reason, attempt_no, failed_at is not null from app.messages"
        " where state = 'failed'"
    )
    assert failed == [(131047, "window_closed", 0, True)] * 2
    events = world.execute(
        "select error_code, reason from raw.message_events where event_type = 'failed'"
    )
    assert events == [(131047, "window_closed")] * 2


async def test_one_person_gets_no_more_than_the_burst_and_the_rest_in_turn(
    world: World, pool: Pool
) -> None:
    (contact,) = world.add_contacts(1)
    ids = world.add_messages(None, [contact] * 48)
    assert len(await claim(pool, world, ids)) == 45
    waits = world.execute(
        "select extract(epoch from not_before - (select max(claimed_at) from app.messages))::int,"
        " attempt_no from app.messages where state = 'queued' order by message_id"
    )
    assert waits == [(6, 0), (12, 0), (18, 0)]


async def test_two_claims_at_once_share_one_persons_burst(world: World, pool: Pool) -> None:
    (contact,) = world.add_contacts(1)
    first, second = (world.add_messages(None, [contact] * 40) for _ in range(2))
    claims = await asyncio.gather(claim(pool, world, first), claim(pool, world, second))
    assert sum(len(one) for one in claims) == 45


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(st.tuples(st.floats(0, 400), st.integers(1, 60)), min_size=1, max_size=12))
def test_a_pair_never_gets_more_than_45_and_one_in_six_seconds(
    database: Settings, steps: list[tuple[float, int]]
) -> None:
    """The claim's arithmetic over any times and sizes: in each window of t at most 45 + t/6."""
    at, paid_until = 0.0, None
    grants: list[tuple[float, int]] = []
    with psycopg.connect(database.database_url) as connection:
        for gap, asked in steps:
            at += gap
            row = connection.execute(
                "with t as (select to_timestamp(%s) as at), p as (select at,"
                " coalesce(%s, at) as paid from t), g as (select at, paid,"
                " least(%s, app.pair_credit(paid, at)) as granted from p)"
                " select granted, greatest(paid, at) + granted * interval '6 seconds' from g",
                (at, paid_until, asked),
            ).fetchone()
            assert row is not None
            granted, paid_until = row
            # It never holds back what Meta would take.
            if not grants:
                assert granted == min(asked, 45)
            grants.append((at, granted))
    for start in range(len(grants)):
        for end in range(start, len(grants)):
            window = grants[end][0] - grants[start][0]
            total = sum(count for _, count in grants[start : end + 1])
            assert total <= 45 + window / 6 + 1e-6


async def test_131056_rests_the_pair_four_times_longer_each_time(
    world: World, meta: MetaStub, dispatcher: Dispatcher, ticket_for: MakeTicket, pool: Pool
) -> None:
    busy, other = world.add_contacts(2)
    first, second, third = world.add_messages(None, [busy, busy, other])
    meta.answer = meta.refuse(131056)
    for step, seconds in enumerate((1, 4, 16)):
        await dispatcher.handle(ticket_for([first]))
        row = world.one(
            "select step, extract(epoch from until - (select max(answered_at) from"
            " app.message_attempts))::int from app.pair_waits"
        )
        assert row == (step, seconds)
        assert world.one(
            "select throttle_count from app.messages where message_id = %s", first
        ) == (step + 1)
        # Another message to the same person waits too; another person does not.
        claimed = await claim(pool, world, [second, third])
        assert [one.message_id for one in claimed] == ([third] if step == 0 else [])
        assert world.one(
            "select not_before = (select until from app.pair_waits) and attempt_no = 0"
            " from app.messages where message_id = %s",
            second,
        )
        world.execute("update app.pair_waits set until = now()")
        world.execute("update app.messages set not_before = null where state = 'queued'")
    meta.answer = meta.accept
    await dispatcher.handle(ticket_for([first]))
    assert world.one("select count(*) from app.pair_waits") == 0
    assert world.one(
        "select state, throttle_count from app.messages where message_id = %s", first
    ) == ("accepted", 0)


async def test_a_portfolio_begins_with_no_more_people_than_its_limit(
    world: World, pool: Pool
) -> None:
    limit_portfolio(world, 3)
    contacts = world.add_contacts(6)
    open_window(world, contacts[5])
    world.execute(
        "insert into app.portfolio_reach select %s, '1', %s, now() - interval '23 hours'",
        world.tenant_id,
        contacts[0],
    )
    ids = world.add_messages(world.add_campaign(), contacts)
    claimed = [one.contact_id for one in await claim(pool, world, ids)]
    # The one of yesterday counts already, the one with an open window never.
    assert claimed == [contacts[0], contacts[1], contacts[2], contacts[5]]
    waits = world.execute(
        "select round(extract(epoch from not_before - now()) / 3600), attempt_no"
        " from app.messages where state = 'queued' order by message_id"
    )
    # The first place seems free in an hour. If yesterday's person keeps it, the wait begins anew.
    assert waits == [(1, 0), (24, 0)]
    assert world.one("select count(*) from app.portfolio_reach") == 3


async def test_a_person_waits_for_the_oldest_place_to_become_free(world: World, pool: Pool) -> None:
    limit_portfolio(world, 2)
    contacts = world.add_contacts(4)
    for hours, contact in ((20, contacts[0]), (10, contacts[1])):
        world.execute(
            "insert into app.portfolio_reach select %s, '1', %s, now() - %s",
            world.tenant_id,
            contact,
            timedelta(hours=hours),
        )
    ids = world.add_messages(world.add_campaign(), contacts[2:])
    assert await claim(pool, world, ids) == []
    waits = world.execute(
        "select round(extract(epoch from not_before - now()) / 3600) from app.messages"
        " order by message_id"
    )
    assert waits == [(4,), (14,)]


@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    limit=st.integers(1, 12),
    sizes=st.lists(st.integers(1, 8), min_size=2, max_size=4),
)
async def test_claims_at_once_never_exceed_a_portfolio(
    world: World, pool: Pool, *, limit: int, sizes: list[int]
) -> None:
    world.execute("truncate app.portfolio_reach, app.portfolios, app.pair_paces")
    world.execute("delete from app.messages")
    limit_portfolio(world, limit)
    contacts = world.add_contacts(sum(sizes), first=len(world.contacts))
    ids = world.add_messages(None, contacts)
    parts, first = [], 0
    for size in sizes:
        parts.append(ids[first : first + size])
        first += size
    claims = await asyncio.gather(*(claim(pool, world, part) for part in parts))
    assert sum(len(one) for one in claims) == min(limit, len(ids))
    assert world.one("select count(*) from app.portfolio_reach") == min(limit, len(ids))


async def test_two_tenants_at_once_never_exceed_the_limit_that_one_of_them_heard(
    world: World, pool: Pool, database: Settings
) -> None:
    other = World(settings=database, waba_id="109", phone_number_id="209").build()
    limit_portfolio(world, 5)
    for turn in range(8):
        world.execute("truncate app.portfolio_reach, app.pair_paces")
        parts = [
            (one, one.add_messages(None, one.add_contacts(3, first=len(one.contacts))))
            for one in (world, other, world, other)
        ]
        claims = await asyncio.gather(*(claim(pool, one, ids) for one, ids in parts))
        assert sum(len(one) for one in claims) == 5, turn
        assert world.one("select count(*) from app.portfolio_reach") == 5


async def test_a_call_that_never_left_does_not_use_up_an_attempt_number(
    world: World, meta: MetaStub, database: Settings, pool: Pool, ticket_for: MakeTicket
) -> None:
    from core.whatsapp.client import open_session

    ids = world.add_messages(None, world.add_contacts(1))
    nobody = database.model_copy(update={"meta_base_url": "http://127.0.0.1:9"})
    async with open_session(max_connections=5, timeout_seconds=2) as session:
        for _ in range(3):
            await Dispatcher(nobody, pool, session, worker="w").handle(ticket_for(ids))
            world.execute("update app.messages set not_before = null")
        assert world.one("select attempt_no, throttle_count from app.messages") == (0, 3)
        there = database.model_copy(update={"meta_base_url": meta.url})
        await Dispatcher(there, pool, session, worker="w").handle(ticket_for(ids))
    assert world.one("select state, attempt_no from app.messages") == ("accepted", 1)
    assert world.execute("select attempt_no, outcome from app.message_attempts") == [
        (1, "accepted")
    ]


async def test_what_was_lost_twice_with_its_worker_is_claimed_alone(
    world: World, pool: Pool
) -> None:
    ids = world.add_messages(None, world.add_contacts(4))
    world.execute("update app.messages set lost_claims = 2 where message_id = any(%s)", ids[1:3])
    claimed: list[list[Any]] = [
        [one.message_id for one in await claim(pool, world, ids)] for _ in range(4)
    ]
    assert claimed == [[ids[0], ids[3]], [ids[1]], [ids[2]], []]
