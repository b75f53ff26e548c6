"""Webhooks to tenants: signed, retried, fair, and never lost or told to the wrong one."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from aiohttp import web
from standardwebhooks import Webhook

from core.clock import utc_now
from core.domain.ids import new_id
from core.domain.tenant_events import TenantEventType
from core.outgoing import open_guarded_session
from core.settings import DatabaseRole, Settings
from core.store import deliveries
from core.store.database import Pool, open_pool, platform_transaction
from core.store.endpoints import new_secret
from sender.notifier.notifier import Notifier
from tests.sender.endpoint_stub import (
    EndpointStub,
    Received,
    add_endpoint,
    add_secret,
    emit,
    endpoint_stub,
    webhook_settings,
)
from tests.sender.world import World

Open = Callable[..., AbstractAsyncContextManager[Notifier]]


@pytest.fixture
async def stub() -> AsyncIterator[EndpointStub]:
    async with endpoint_stub() as opened:
        yield opened


@pytest.fixture
def opened(database: Settings, pool: Pool, stub: EndpointStub) -> Open:
    @asynccontextmanager
    async def opened_notifier(**changes: object) -> AsyncIterator[Notifier]:
        settings = webhook_settings(database, stub, **changes)
        async with open_guarded_session(
            settings.destination_rules(), timeout_seconds=settings.webhook_timeout_seconds
        ) as session:
            notifier = Notifier(settings, pool, session)
            yield notifier
            stub.released.set()
            await notifier.finish(5)

    return opened_notifier


async def drain(notifier: Notifier) -> None:
    """Everything that is due now, to its recorded end."""
    await notifier.tell()
    while await notifier.claim() or notifier.busy:
        while notifier.busy:
            await notifier.wait_for_outcomes()
            await notifier.record()


def make_due(world: World) -> None:
    world.execute("update app.webhook_queue set due_at = now() - interval '1 second'")


def deliveries_of(world: World) -> dict[str, int]:
    rows = world.execute(
        "select state || coalesce(' ' || failure, ''), count(*) from app.webhook_deliveries"
        " where tenant_id = %s group by 1",
        world.tenant_id,
    )
    return {state: int(count) for state, count in rows}


def add_event(world: World, connection: psycopg.Connection[tuple[object, ...]]) -> None:
    (message_id,) = world.add_messages(None, world.add_contacts(1), state="sent")
    connection.execute(
        "insert into raw.message_events (tenant_id, message_id, contact_pseudonym, waba_id,"
        " phone_number_id, event_type, category, occurred_at)"
        " values (%s, %s, gen_random_uuid(), '1', %s, 'sent', 'utility', now())",
        (world.tenant_id, message_id, world.phone_number_id),
    )


async def test_an_event_arrives_signed_as_standard_webhooks_says(
    world: World, stub: EndpointStub, opened: Open
) -> None:
    endpoint = add_endpoint(world, f"{stub.url}/hooks?shop=1", "campaign.started")
    assert emit(world) == 1
    async with opened() as notifier:
        await drain(notifier)
    (got,) = stub.received
    told = Webhook(endpoint.secret).verify(got.body, got.headers)
    assert (told["type"], told["version"], told["data"]) == ("campaign.started", 1, {"number": 1})
    assert told["id"] == got.headers["webhook-id"]
    assert told["id"].startswith("evt_")
    assert datetime.fromisoformat(told["timestamp"]).tzinfo == UTC
    assert got.headers["content-type"] == "application/json"
    assert deliveries_of(world) == {"delivered": 1}
    assert world.execute("select 1 from app.webhook_queue") == []
    assert world.one("select attempt_no, http_status, failure from app.webhook_attempts") == (
        1,
        204,
        None,
    )


async def test_while_secrets_overlap_each_of_them_verifies_and_an_expired_one_does_not(
    world: World, stub: EndpointStub, opened: Open
) -> None:
    endpoint = add_endpoint(world, stub.url)
    older, expired = new_secret(), new_secret()
    add_secret(world, endpoint.endpoint_id, older, expires="now() + interval '1 hour'")
    add_secret(world, endpoint.endpoint_id, expired, expires="now() - interval '1 second'")
    emit(world)
    async with opened() as notifier:
        await drain(notifier)
    (got,) = stub.received
    for secret in (endpoint.secret, older):
        assert Webhook(secret).verify(got.body, got.headers)
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(expired).verify(got.body, got.headers)
    assert len(got.headers["webhook-signature"].split(" ")) == 2


async def test_what_nobody_listens_to_writes_no_row(world: World, stub: EndpointStub) -> None:
    assert emit(world) == 0
    endpoint = add_endpoint(world, stub.url, "import.finished")
    assert emit(world) == 0
    world.execute(
        "update app.webhook_endpoints set enabled = false, disabled_reason = 'by_owner',"
        " event_types = '{*}' where endpoint_id = %s",
        endpoint.endpoint_id,
    )
    assert emit(world) == 0
    assert world.one("select count(*) from app.tenant_events") == 0


async def test_an_event_of_one_tenant_goes_to_its_own_endpoints_only(
    database: Settings, world: World, stub: EndpointStub, opened: Open
) -> None:
    other = World(
        settings=database, waba_id="100000000000002", phone_number_id="200000000000002"
    ).build()
    add_endpoint(world, f"{stub.url}/mine")
    add_endpoint(other, f"{stub.url}/theirs")
    emit(world)
    with psycopg.connect(database.database_url) as connection:
        add_event(world, connection)
    async with opened() as notifier:
        await drain(notifier)
    assert [got.path for got in stub.received] == ["/mine", "/mine"]


async def test_message_events_are_told_once_without_anything_that_identifies_a_person(
    database: Settings, world: World, stub: EndpointStub, opened: Open
) -> None:
    add_endpoint(world, stub.url, "message.sent")
    with psycopg.connect(database.database_url) as connection:
        add_event(world, connection)
    async with opened() as notifier:
        await drain(notifier)
        await drain(notifier)
    (got,) = stub.received
    told = json.loads(got.body)
    address = world.one("select address from app.contacts")
    assert told["type"] == "message.sent"
    assert told["data"]["contact_id"] == str(world.contacts[0])
    assert told["data"]["state"] == "sent"
    assert address.lstrip("+").encode() not in got.body


async def test_an_event_that_commits_late_is_not_stepped_over(
    database: Settings, world: World, stub: EndpointStub, opened: Open
) -> None:
    """Its transaction began before others that were read already: a moving id would lose it."""
    add_endpoint(world, stub.url, "message.sent")
    with (
        psycopg.connect(database.database_url) as late,
        psycopg.connect(database.database_url) as early,
    ):
        add_event(world, late)
        add_event(world, early)
        early.commit()
        async with opened() as notifier:
            # Below the horizon of `late` nothing is finished: neither is told yet.
            await drain(notifier)
            before = len(stub.received)
            late.commit()
            await drain(notifier)
    assert (before, len(set(stub.ids()))) == (0, 2)


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_message_events_are_read_in_pieces_of_any_size(
    database: Settings, world: World, stub: EndpointStub, pool: Pool, limit: int
) -> None:
    add_endpoint(world, stub.url, "message.sent")
    with psycopg.connect(database.database_url) as connection:
        for _ in range(3):
            add_event(world, connection)
        connection.commit()
        add_event(world, connection)
    told = 0
    for _ in range(6):
        async with platform_transaction(pool) as reader:
            told += await deliveries.tell_message_events(reader, limit=limit)
    assert told == world.one("select count(*) from app.webhook_queue") == 4


async def test_a_cursor_of_another_cluster_begins_anew_at_the_present(
    database: Settings, world: World, stub: EndpointStub, opened: Open
) -> None:
    """After a restore from a dump the counter of transactions is another one, perhaps far lower."""
    world.execute("update ops.webhook_cursor set xid = '9000000000', next_xid = '9000000000'")
    add_endpoint(world, stub.url, "message.sent")
    async with opened() as notifier:
        await drain(notifier)
        with psycopg.connect(database.database_url) as connection:
            add_event(world, connection)
        await drain(notifier)
    assert len(stub.received) == 1


async def test_what_happened_before_an_endpoint_existed_is_not_told(
    database: Settings, world: World, stub: EndpointStub, opened: Open
) -> None:
    with psycopg.connect(database.database_url) as connection:
        add_event(world, connection)
    add_endpoint(world, stub.url)
    async with opened() as notifier:
        await drain(notifier)
    assert stub.received == []


async def test_a_failure_is_tried_again_with_the_same_id_and_body(
    world: World, stub: EndpointStub, opened: Open
) -> None:
    add_endpoint(world, stub.url)
    emit(world)
    answers = iter([500, 302, 200])
    stub.reply = lambda _: web.Response(
        status=next(answers), text="no\x00 way", headers={"Location": f"{stub.url}/elsewhere"}
    )
    async with opened() as notifier:
        for _ in range(3):
            make_due(world)
            await drain(notifier)
    first, second, third = stub.received
    assert first.body == second.body == third.body
    assert len(set(stub.ids())) == 1
    assert {got.path for got in stub.received} == {"/"}
    attempts = world.execute(
        "select attempt_no, http_status, failure, answer from app.webhook_attempts order by 1"
    )
    assert [row[:3] for row in attempts] == [
        (1, 500, "http_status"),
        (2, 302, "redirect"),
        (3, 200, None),
    ]
    assert attempts[0][3] == "no\ufffd way"
    assert deliveries_of(world) == {"delivered": 1}


async def test_after_three_days_a_delivery_is_given_up(
    world: World, stub: EndpointStub, opened: Open
) -> None:
    add_endpoint(world, stub.url)
    emit(world)
    stub.reply = lambda _: web.Response(status=500)
    world.execute("update app.webhook_queue set give_up_at = now() + interval '1 second'")
    async with opened() as notifier:
        await drain(notifier)
    assert deliveries_of(world) == {"failed http_status": 1}
    assert world.execute("select 1 from app.webhook_queue") == []


async def test_retry_after_rests_the_whole_endpoint(
    world: World, stub: EndpointStub, opened: Open
) -> None:
    add_endpoint(world, stub.url)
    emit(world, count=40)
    stub.reply = lambda _: web.Response(status=429, headers={"Retry-After": "120"})
    async with opened() as notifier:
        await drain(notifier)
    assert len(stub.received) == 16
    wait = world.one("select rests_until - now() from app.webhook_endpoints")
    assert timedelta(seconds=100) < wait <= timedelta(seconds=120)
    earliest = world.one("select min(due_at) - now() from app.webhook_queue where failures = 1")
    assert earliest > timedelta(seconds=100)


async def test_gone_switches_an_endpoint_off_and_tells_people(
    world: World, stub: EndpointStub, opened: Open
) -> None:
    endpoint = add_endpoint(world, stub.url)
    emit(world, count=20)
    stub.reply = lambda _: web.Response(status=410)
    async with opened(webhook_endpoint_concurrency=1) as notifier:
        await notifier.claim()
        await notifier.wait_for_outcomes()
        await notifier.record()
        await drain(notifier)
        assert len(stub.received) == 1
        await notifier.upkeep()
    assert world.one("select enabled, disabled_reason from app.webhook_endpoints") == (
        False,
        "gone",
    )
    assert deliveries_of(world) == {"failed http_status": 1, "failed endpoint_disabled": 19}
    assert world.one("select kind, subject from app.alerts") == (
        "webhook_disabled",
        str(endpoint.endpoint_id),
    )


async def test_days_of_failures_only_switch_an_endpoint_off_and_one_success_does_not(
    world: World, stub: EndpointStub, opened: Open
) -> None:
    add_endpoint(world, stub.url)
    stub.reply = lambda _: web.Response(status=500)
    async with opened() as notifier:
        for age, enabled in (("4 days 23 hours", True), ("5 days 1 minute", False)):
            emit(world)
            world.execute(
                "update app.webhook_endpoints set failures_in_row = 9,"
                " failing_since = now() - %s::interval",
                age,
            )
            await drain(notifier)
            assert world.one("select enabled from app.webhook_endpoints") is enabled
    assert world.one("select disabled_reason from app.webhook_endpoints") == "failing"


async def test_the_fourth_failure_opens_an_alert_and_a_success_closes_it(
    world: World, stub: EndpointStub, opened: Open
) -> None:
    add_endpoint(world, stub.url)
    emit(world)
    stub.reply = lambda _: web.Response(status=503)
    async with opened() as notifier:
        for failures in range(1, 5):
            make_due(world)
            await drain(notifier)
            assert world.one("select count(*) from app.alerts") == (failures == 4)
        stub.reply = lambda _: web.Response(status=200)
        make_due(world)
        await drain(notifier)
    assert world.one("select kind, closed_at is not null from app.alerts") == (
        "webhook_failing",
        True,
    )
    assert world.one("select failing_since, failures_in_row from app.webhook_endpoints") == (
        None,
        0,
    )


async def test_an_endpoint_that_hangs_delays_no_other(
    database: Settings, world: World, stub: EndpointStub, opened: Open
) -> None:
    """Neither one of another tenant nor another of its own."""
    other = World(
        settings=database, waba_id="100000000000002", phone_number_id="200000000000002"
    ).build()
    add_endpoint(world, f"{stub.url}/slow", "campaign.started")
    add_endpoint(world, f"{stub.url}/own", "campaign.finished")
    add_endpoint(other, f"{stub.url}/other")
    emit(world, count=200)
    emit(world, "campaign.finished", count=30)
    emit(other, count=60)
    async with opened(webhook_max_in_flight=40, webhook_endpoint_concurrency=4) as notifier:
        while (
            world.one("select count(*) from app.webhook_deliveries where state = 'delivered'") < 90
        ):
            await notifier.claim()
            if notifier.busy > stub.open_calls:
                await notifier.wait_for_outcomes()
                await notifier.record()
        assert stub.open_calls == 4
        await asyncio.sleep(0)
        slow = [got for got in stub.received if got.path == "/slow"]
        assert len(slow) == 4


async def test_an_endpoint_that_answers_gets_claims_ahead_and_gives_them_back_when_it_fails(
    world: World, stub: EndpointStub, opened: Open
) -> None:
    add_endpoint(world, stub.url)
    emit(world, count=400)
    async with opened(webhook_endpoint_concurrency=4) as notifier:
        while len(stub.received) < 200:
            await notifier.claim()
            await notifier.wait_for_outcomes()
            await notifier.record()
        assert notifier.busy > 4
        stub.reply = lambda got: web.Response(status=500)
        while notifier.busy:
            await notifier.wait_for_outcomes()
            await notifier.record()
        failed = world.one("select count(*) from app.webhook_attempts where failure is not null")
        assert 1 <= failed <= 4
        waiting, oldest = world.execute(
            "select count(*), max(due_at) filter (where failures = 0) < now()"
            " from app.webhook_queue"
        )[0]
        assert (waiting, oldest) == (400 - deliveries_of(world)["delivered"], True)
        stub.reply = lambda got: web.Response(status=204)
        make_due(world)
        await drain(notifier)
    assert deliveries_of(world) == {"delivered": 400}
    assert len(stub.received) == 400 + failed


async def test_a_stopped_process_gives_back_at_once_what_it_had_claimed_ahead(
    world: World, stub: EndpointStub, opened: Open
) -> None:
    add_endpoint(world, stub.url)
    emit(world, count=300)
    async with opened(webhook_endpoint_concurrency=4) as notifier:
        while len(stub.received) < 100:
            await notifier.claim()
            await notifier.wait_for_outcomes()
            await notifier.record()
        await notifier.claim()
        assert notifier.busy > 4
        await notifier.finish(5)
        assert notifier.busy == 0
    assert world.one("select count(*) from app.webhook_queue where due_at > now()") == 0
    done = deliveries_of(world)["delivered"]
    assert len(stub.received) == len(set(stub.ids())) == done < 300


async def test_a_dead_process_loses_nothing_and_cannot_record_late(
    world: World, stub: EndpointStub, opened: Open, pool: Pool
) -> None:
    add_endpoint(world, stub.url)
    emit(world)
    lost = await claim_one(pool)
    async with opened() as notifier:
        await drain(notifier)
        assert stub.received == []
        make_due(world)
        again = await claim_one(pool)
        # The first one wakes up while the second holds the delivery: what it says is outdated.
        assert await record(pool, lost, "delivered") == 0
        assert deliveries_of(world) == {"pending": 1}
        assert await record(pool, again, "pending") == 1
        assert await record(pool, again, "delivered") == 1
        assert await record(pool, again, "failed") == 0
    assert deliveries_of(world) == {"delivered": 1}


async def claim_one(pool: Pool) -> deliveries.Claimed:
    async with platform_transaction(pool) as connection:
        (due,) = await deliveries.list_due_endpoints(connection, most=10)
        key = (due.tenant_id, due.endpoint_id)
        (claimed,) = await deliveries.claim_deliveries(connection, {key: 10}, lease_seconds=60)
    return claimed


async def record(pool: Pool, claimed: deliveries.Claimed, state: str) -> int:
    attempt = deliveries.Attempt(
        claimed=claimed,
        state=state,
        failure=None if state == "delivered" else "timeout",
        http_status=None,
        next_due_at=utc_now() if state == "pending" else None,
        started_at=utc_now(),
        duration_ms=1,
        answer=None,
    )
    async with platform_transaction(pool) as connection:
        return len(await deliveries.record_attempts(connection, [attempt]))


async def test_two_processes_share_the_work_and_send_nothing_twice(
    world: World, stub: EndpointStub, opened: Open
) -> None:
    add_endpoint(world, stub.url)
    emit(world, count=300)
    async with opened() as one, opened() as two:
        await asyncio.gather(drain(one), drain(two))
    assert len(stub.received) == len(set(stub.ids())) == 300


async def test_an_answer_is_read_to_64_kib_and_kept_to_one(
    world: World, stub: EndpointStub, opened: Open
) -> None:
    add_endpoint(world, stub.url)
    emit(world)
    stub.reply = lambda _: web.Response(status=200, body=b"x" * 5_000_000)
    async with opened() as notifier:
        await drain(notifier)
    assert world.one("select length(answer) from app.webhook_attempts") == 1_024
    assert deliveries_of(world) == {"delivered": 1}


@pytest.mark.parametrize(
    ("url", "failure"),
    [
        ("http://127.0.0.1:1/", "forbidden_address"),
        ("http://10.0.0.1:{port}/", "forbidden_address"),
        ("http://user@127.0.0.1:{port}/", "forbidden_address"),
        ("http://no-such-name.invalid:{port}/", "name_not_found"),
    ],
)
async def test_an_address_that_may_not_be_called_fails_like_any_other(
    url: str, failure: str, world: World, stub: EndpointStub, opened: Open
) -> None:
    add_endpoint(world, url.format(port=stub.port))
    emit(world)
    async with opened() as notifier:
        await drain(notifier)
    assert deliveries_of(world) == {f"pending {failure}": 1}


async def test_a_timeout_and_a_broken_connection_are_failures_with_names(
    world: World, stub: EndpointStub, opened: Open
) -> None:
    add_endpoint(world, f"{stub.url}/slow")
    emit(world)
    async with opened(webhook_timeout_seconds=1) as notifier:
        await drain(notifier)
    assert deliveries_of(world) == {"pending timeout": 1}


async def test_events_of_a_suspended_tenant_wait(
    world: World, stub: EndpointStub, opened: Open
) -> None:
    add_endpoint(world, stub.url)
    emit(world)
    world.execute("update app.tenants set status = 'suspended'")
    async with opened() as notifier:
        await drain(notifier)
        assert stub.received == []
        world.execute("update app.webhook_queue set give_up_at = now() - interval '2 hours'")
        await notifier.housekeeping()
    assert deliveries_of(world) == {"failed gave_up": 1}


async def test_a_deleted_endpoint_goes_when_nothing_of_it_waits(
    world: World, stub: EndpointStub, opened: Open
) -> None:
    add_endpoint(world, stub.url)
    emit(world, count=3)
    world.execute(
        "update app.webhook_endpoints set enabled = false, disabled_reason = 'by_owner',"
        " deleted_at = now()"
    )
    async with opened() as notifier:
        await notifier.upkeep()
        await notifier.upkeep()
    assert world.execute("select 1 from app.webhook_endpoints") == []
    assert world.execute("select 1 from app.webhook_secrets") == []
    assert deliveries_of(world) == {"failed endpoint_disabled": 3}


def test_old_partitions_are_dropped_and_coming_ones_made(world: World) -> None:
    world.execute("select ops.keep_webhook_partitions(now() + interval '40 days', 3, 16)")
    days = [
        row[0]
        for row in world.execute(
            "select right(c.relname, 8)::date - now()::date from pg_inherits as i"
            " inner join pg_class as c on i.inhrelid = c.oid"
            " where i.inhparent = 'app.tenant_events'::regclass and c.relname ~ '[0-9]{8}$'"
            " order by 1"
        )
    ]
    assert days == [39, 40, 41, 42, 43]


def got(stub: EndpointStub, kind: str) -> list[Received]:
    return [each for each in stub.received if json.loads(each.body)["type"] == kind]


async def test_the_tables_tell_of_their_changes_whoever_makes_them(
    world: World, stub: EndpointStub, opened: Open
) -> None:
    add_endpoint(world, stub.url)
    campaign_id = world.add_campaign(status="approved")
    for change in (
        "status = 'running'",
        "status = 'paused', status_reason = 'template_changed'",
        "status = 'running'",
        "finished_at = now()",
    ):
        world.execute(f"update app.campaigns set {change} where campaign_id = %s", campaign_id)
    world.execute("update app.campaigns set name = 'other'")
    world.execute("update app.templates set status = 'PAUSED', halted_reason = 'Meta: PAUSED'")
    world.execute("update app.templates set quality = 'RED', category = 'marketing'")
    world.execute("update app.phone_numbers set granted_per_second = 7, throttled_at = now()")
    world.execute("update app.phone_numbers set quality = 'YELLOW', throughput_per_second = 80")
    world.execute("update app.phone_numbers set paused_until = 'infinity', pause_reason = 'x'")
    world.execute("update app.phone_numbers set paused_until = null, pause_reason = null")
    world.execute("update app.whatsapp_accounts set blocked_reason = 'Meta: DISABLED'")
    world.execute("update app.whatsapp_accounts set blocked_reason = null")
    (contact_id,) = world.add_contacts(1)
    world.consent(contact_id, granted=False)
    world.execute(
        "insert into app.imports (tenant_id, import_id, list_id) values (%s, %s, %s)",
        world.tenant_id,
        new_id(),
        world.list_id,
    )
    world.execute(
        "insert into app.inbound_messages (tenant_id, inbound_id, phone_number_id, contact_id,"
        " wamid, type, body, occurred_at, received_at)"
        " values (%s, %s, %s, %s, 'wamid.secret', 'text', 'Olá!', now(), now())",
        world.tenant_id,
        new_id(),
        world.phone_number_id,
        contact_id,
    )
    world.execute("update app.imports set rows_read = 3")
    world.execute("update app.imports set status = 'finished'")
    async with opened() as notifier:
        await drain(notifier)
    told = [json.loads(each.body) for each in stub.received]
    assert sorted(each["type"] for each in told) == sorted(
        [
            *("campaign.started", "campaign.paused", "campaign.resumed", "campaign.finished"),
            *("template.status_changed", "template.quality_changed", "template.category_changed"),
            *("number.quality_changed", "number.throughput_changed"),
            *("number.paused", "number.resumed", "account.blocked", "account.unblocked"),
            *("consent.changed", "import.finished", "message.inbound"),
        ]
    )
    paused = json.loads(got(stub, "campaign.paused")[0].body)
    assert paused["data"] == {
        "campaign_id": str(campaign_id),
        "status": "paused",
        "previous_status": "running",
        "reason": "template_changed",
    }
    inbound = got(stub, "message.inbound")[0].body
    assert b"Ol" not in inbound
    assert b"wamid" not in inbound
    consent = json.loads(got(stub, "consent.changed")[0].body)
    assert (consent["data"]["contact_id"], consent["data"]["action"]) == (
        str(contact_id),
        "revoked",
    )


def test_every_fact_about_a_message_has_a_type_or_is_not_told(world: World) -> None:
    rule = world.one(
        "select pg_get_constraintdef(oid) from pg_constraint"
        " where conname = 'message_events_event_type_check'"
        " and conrelid = 'raw.message_events'::regclass"
    )
    facts = set(re.findall(r"'([a-z_]+)'", rule)) - {"planned", "excluded"}
    assert len(facts) >= 9
    assert {f"message.{fact}" for fact in facts} <= {each.value for each in TenantEventType}


async def test_the_whole_way_on_each_postgresql(
    each_database: Settings, stub: EndpointStub
) -> None:
    world = World(settings=each_database).build()
    add_endpoint(world, stub.url)
    emit(world, count=3)
    with psycopg.connect(each_database.database_url) as connection:
        add_event(world, connection)
    answers = iter([500, 200, 200, 200, 200])
    stub.reply = lambda _: web.Response(status=next(answers))
    settings = webhook_settings(each_database, stub)
    async with (
        open_pool(settings.dsn(DatabaseRole.WORKER), name="test", max_size=2) as own_pool,
        open_guarded_session(settings.destination_rules(), timeout_seconds=5) as session,
    ):
        notifier = Notifier(settings, own_pool, session)
        await notifier.housekeeping()
        # Others use this server: a transaction of theirs holds the horizon for a moment.
        async with asyncio.timeout(60):
            while deliveries_of(world) != {"delivered": 4}:
                await drain(notifier)
                make_due(world)
        await notifier.upkeep()
    assert deliveries_of(world) == {"delivered": 4}
    assert len(set(stub.ids())) == 4


def test_every_role_that_changes_something_may_tell_of_it(
    database: Settings, world: World, stub: EndpointStub
) -> None:
    add_endpoint(world, stub.url)
    roles = (DatabaseRole.APP, DatabaseRole.WORKER, DatabaseRole.DATA, DatabaseRole.OPERATOR)
    for role in roles:
        with psycopg.connect(database.dsn(role)) as connection:
            connection.execute(
                "select set_config('app.tenant_id', %s, true)", (str(world.tenant_id),)
            )
            told = connection.execute(
                "select app.emit_tenant_event(%s, 'campaign.started', '{}')", (world.tenant_id,)
            ).fetchone()
        assert told == (1,), role
    assert world.one("select count(*) from app.webhook_queue") == len(roles)
