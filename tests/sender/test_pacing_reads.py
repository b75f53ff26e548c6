"""What the pacer reads: what is due, in order, and nothing else is looked at."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import scalar_row

from core.clock import utc_now
from core.domain.ids import new_id
from core.settings import DatabaseRole, Settings
from core.store import pacing
from core.store.database import Connection
from core.store.pacing import FeedCursor
from sender.pacer.feeds import Feed, read_ahead
from tests.sender.world import World


@pytest.fixture
async def session(database: Settings) -> AsyncIterator[Connection]:
    dsn = database.dsn(DatabaseRole.WORKER)
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        yield connection


def put_off(world: World, ids: list[UUID], interval: str) -> None:
    world.execute(
        "update app.messages set not_before = now() + %s::interval where message_id = any(%s)",
        interval,
        ids,
    )


async def feed_of(session: Connection) -> Feed:
    (campaign,) = await pacing.list_running_campaigns(session)
    return Feed(campaign=campaign)


async def read(session: Connection, feed: Feed, *, at: float = 0.0, **kwargs: Any) -> list[UUID]:
    ticketed = kwargs.get("ticketed", lambda _: False)
    await read_ahead(session, [(feed, 1_000)], ticketed=ticketed, at=at)
    return list(feed.take(1_000))


async def test_a_feed_gives_what_is_due_by_wave_then_hour_then_id(
    world: World, session: Connection
) -> None:
    campaign = world.add_campaign()
    a, b, c, d, e, f = world.add_messages(campaign, world.add_contacts(6))
    put_off(world, [b], "1 hour")
    put_off(world, [a], "-1 minute")
    put_off(world, [d], "-2 minutes")
    world.execute("update app.messages set wave = 1 where message_id = any(%s)", [c, d])
    world.execute("update app.messages set wave = 2 where message_id = %s", e)
    world.execute("update app.campaigns set released_wave = 1")
    feed = await feed_of(session)
    assert await read(session, feed) == [f, a, c, d]


async def test_a_wave_that_is_released_later_goes_in_the_next_pass(
    world: World, session: Connection
) -> None:
    campaign = world.add_campaign()
    first, later = world.add_messages(campaign, world.add_contacts(2))
    world.execute("update app.messages set wave = 3 where message_id = %s", later)
    feed = await feed_of(session)
    assert await read(session, feed, at=10.0) == [first]
    world.execute("update app.campaigns set released_wave = 3")
    (feed.campaign,) = await pacing.list_running_campaigns(session)
    seen = [*await read(session, feed, at=12.0), *await read(session, feed, at=12.1)]
    assert seen == [first, later]


async def test_a_variant_whose_template_is_halted_keeps_nothing_from_the_others(
    world: World, session: Connection
) -> None:
    campaign = world.add_campaign()
    other = halve(world, campaign)
    a, b, c, d = world.add_messages(campaign, world.add_contacts(4))
    world.execute(
        "update app.messages set template_id = %s where message_id = any(%s)", other, [b, d]
    )
    assert await read(session, await feed_of(session)) == [a, b, c, d]
    halt = "update app.templates set halted_reason = 'paused' where template_id = %s"
    world.execute(halt, other)
    assert await read(session, await feed_of(session)) == [a, c]
    world.execute("update app.templates set halted_reason = null")
    world.execute(halt, world.template_id)
    assert await read(session, await feed_of(session)) == [b, d]
    world.execute(halt, other)
    assert await pacing.list_running_campaigns(session) == []


def halve(world: World, campaign_id: UUID) -> UUID:
    """Give the campaign a second arm; returns its template."""
    other = new_id()
    world.execute(
        "insert into app.templates (tenant_id, template_id, waba_id, meta_template_id, name,"
        " language, category, status, components, version_hash, synced_at)"
        " select tenant_id, %s, waba_id, '77', 'b', language, category, status, components,"
        " version_hash, synced_at from app.templates where template_id = %s",
        other,
        world.template_id,
    )
    arms = [{"name": "a", "percent": "50"}, {"name": "b", "percent": "50"}]
    arms[1]["template_id"] = str(other)
    world.execute(
        "update app.campaigns set experiment = %s where campaign_id = %s",
        json.dumps({"variants": arms}),
        campaign_id,
    )
    return other


async def test_a_new_pass_leaves_out_what_has_a_ticket_and_waits_a_second(
    world: World, session: Connection
) -> None:
    one, two = world.add_messages(world.add_campaign(), world.add_contacts(2))
    feed = await feed_of(session)
    assert await read(session, feed, at=10.0) == [one, two]
    feed._started_at = 10.0
    assert await read(session, feed, at=10.9) == []
    assert await read(session, feed, at=11.0, ticketed=lambda key: key == one) == [two]


async def test_a_campaign_with_local_delivery_begins_before_its_hour_in_our_zone(
    world: World, session: Connection
) -> None:
    world.add_campaign()
    world.execute("update app.campaigns set scheduled_at = %s", utc_now() + timedelta(hours=1))
    assert await pacing.list_running_campaigns(session) == []
    world.execute("update app.campaigns set local_delivery = true")
    assert len(await pacing.list_running_campaigns(session)) == 1


@pytest.mark.parametrize("scope", ["everything", "tenant", "number", "campaign"])
async def test_what_an_operator_switched_off_gets_no_ticket(
    world: World, session: Connection, scope: str
) -> None:
    campaign_id = world.add_campaign()
    subject = {"number": world.phone_number_id, "campaign": str(campaign_id)}.get(scope)
    world.execute(
        "insert into ops.switches (switch_id, scope, tenant_id, subject, reason, set_by,"
        " expires_at) values (%s, %s, %s, %s, 'test', 'ana', now() + interval '1 hour')",
        new_id(),
        scope,
        None if scope == "everything" else world.tenant_id,
        subject,
    )

    async def may_send() -> bool:
        numbers = await pacing.list_numbers(session)
        return bool(numbers and await pacing.list_running_campaigns(session))

    assert not await may_send()
    world.execute("update ops.switches set lifted_at = now()")
    assert await may_send()


@pytest.mark.parametrize("kind", ["campaign", "singles", "halted"])
async def test_rows_that_are_not_due_are_not_looked_at(
    world: World, session: Connection, kind: str
) -> None:
    """Before them in the order of ids lie 30,000 that wait: the plan reads some pages, not all."""
    campaign_id = world.add_campaign()
    (contact,) = world.add_contacts(1)
    (pattern,) = world.add_messages(None if kind == "singles" else campaign_id, [contact])
    world.execute(
        "insert into app.messages (tenant_id, message_id, campaign_id, contact_id,"
        " contact_pseudonym, phone_number_id, waba_id, address, kind, template_id, category,"
        " content, not_before) select tenant_id, app.new_uuid7(now() - interval '30 seconds'),"
        " campaign_id, contact_id, contact_pseudonym, phone_number_id, waba_id, address, kind,"
        " template_id, category, '{}', now() + interval '1 hour'"
        " from app.messages, generate_series(1, 30000) where message_id = %s",
        pattern,
    )
    if kind == "halted":
        halted = halve(world, campaign_id)
        world.execute("update app.templates set halted_reason = 'x' where template_id = %s", halted)
        world.execute(
            "update app.messages set template_id = %s, not_before = null where message_id <> %s",
            halted,
            pattern,
        )
    world.execute("vacuum analyze app.messages")
    (campaign,) = await pacing.list_running_campaigns(session)
    (number,) = await pacing.list_numbers(session)
    cursor = FeedCursor(
        campaign=campaign, wave=0, after_due=None, after_id=campaign.first_id, limit=500
    )
    if kind != "singles":
        ((found,),) = await pacing.list_due_of_campaigns(session, [cursor])
        assert found.message_id == pattern
    else:
        assert await pacing.list_due_singles(session, [(number, 100)]) == {
            number.phone_number_id: [(pattern, None)]
        }
    assert await explained_buffers(session, kind, cursor, number) < 60


async def explained_buffers(
    session: Connection, kind: str, cursor: FeedCursor, number: pacing.SendingNumber
) -> int:
    """Pages the query touches when PostgreSQL runs it."""
    if kind != "singles":
        query, values = (
            pacing._SQL.list_due_of_campaigns,
            {
                "ordinals": [0],
                "tenant_ids": [cursor.campaign.tenant_id],
                "campaign_ids": [cursor.campaign.campaign_id],
                "first_ids": [cursor.campaign.first_id],
                "waves": [0],
                "after_dues": [None],
                "after_ids": [cursor.after_id],
                "template_ids": ["{" + str(cursor.campaign.template_ids[0]) + "}"],
                "limits": [500],
            },
        )
    else:
        query, values = (
            pacing._SQL.list_due_singles,
            {
                "tenant_ids": [number.tenant_id],
                "phone_number_ids": [number.phone_number_id],
                "limits": [100],
            },
        )
    async with session.cursor(row_factory=scalar_row) as rows:
        await rows.execute("explain (analyze, buffers, format json) " + query, values)
        plan: Any = await rows.fetchone()
    document = json.loads(plan) if isinstance(plan, str) else plan
    top = document[0]["Plan"]
    return int(top["Shared Hit Blocks"]) + int(top["Shared Read Blocks"])


async def test_a_pause_that_is_over_is_lifted_and_its_alert_closed(
    world: World, session: Connection
) -> None:
    world.execute(
        "update app.phone_numbers set paused_until = now() + interval '1 hour', pause_reason = 'x'"
    )
    world.execute(
        "insert into app.alerts (tenant_id, alert_id, kind, subject, detail)"
        " values (%s, %s, 'number_paused', %s, 'x')",
        world.tenant_id,
        new_id(),
        world.phone_number_id,
    )
    assert await pacing.end_pauses(session) == 0
    world.execute("update app.phone_numbers set paused_until = now() - interval '1 second'")
    assert await pacing.end_pauses(session) == 1
    assert world.one("select paused_until, pause_reason from app.phone_numbers") == (None, None)
    assert world.one("select closed_at is not null from app.alerts")


async def test_a_pause_without_an_end_stays_until_somebody_lifts_it(
    world: World, session: Connection
) -> None:
    world.execute("update app.phone_numbers set paused_until = '9999-01-01'")
    assert await pacing.end_pauses(session) == 0


@pytest.mark.parametrize(("before", "after"), [(80, 1000), (1000, 20)])
async def test_a_new_throughput_holds_at_once_also_after_a_throttle(
    world: World, session: Connection, before: int, after: int
) -> None:
    world.execute("update app.phone_numbers set throughput_per_second = %s", before)
    world.execute("update app.phone_numbers set granted_per_second = 14, throttled_at = now()")
    world.execute("update app.phone_numbers set throughput_per_second = %s", after)
    (number,) = await pacing.list_numbers(session)
    assert number.granted_per_second == after
