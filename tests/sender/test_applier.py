"""Webhook bodies through the real applier on a real PostgreSQL."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.broker.envelopes import Ticket
from core.clock import utc_now
from core.domain.ids import new_id
from core.domain.message_state import MessageState, next_state, rank
from core.errors import Unavailable
from core.settings import DatabaseRole, Settings
from core.store.database import Pool, open_pool
from sender.applier import notices
from sender.applier.applier import apply_batch, retry_orphans
from sender.worker.dispatcher import Dispatcher
from tests.sender.landing import PRICING, field_body, land, messages_body, status, token_of
from tests.sender.meta_stub import MetaStub
from tests.sender.world import World

MakeTicket = Callable[..., Ticket]


@pytest.fixture
def database(each_database: Settings) -> Settings:
    """On each PostgreSQL: the statements here are the ones that must not depend on its version."""
    return each_database


@pytest.fixture
def accepted(world: World) -> UUID:
    """A message that Meta accepted as wamid.1."""
    (message_id,) = world.add_messages(None, world.add_contacts(1), state="accepted")
    world.execute("update app.messages set wamid = 'wamid.1', attempt_no = 1, accepted_at = now()")
    world.execute(
        "insert into app.message_wamids (tenant_id, wamid, message_id, attempt_no)"
        " values (%s, 'wamid.1', %s, 1)",
        world.tenant_id,
        message_id,
    )
    return message_id


def quarantined(world: World) -> list[str]:
    return [
        reason
        for (reason,) in world.execute(
            "select reason from raw.webhook_quarantine order by quarantine_id"
        )
    ]


async def test_statuses_move_the_message_and_each_becomes_one_event(
    world: World, accepted: UUID, pool: Pool
) -> None:
    token = token_of(world, accepted)
    bodies = [
        messages_body(world, status("wamid.1", state, token=token, pricing=PRICING))
        for state in ("sent", "delivered", "read")
    ]
    land(world, *bodies, *bodies)  # Meta repeats
    assert await apply_batch(pool) == 6
    land(world, *bodies)
    assert await apply_batch(pool) == 3
    assert world.states() == {"read": 1}
    assert world.events() == {"sent": 1, "delivered": 1, "read": 1}
    row = world.one(
        "select billable, pricing_type, sent_at is not null, read_at is not null from app.messages"
    )
    assert row == (True, "regular", True, True)
    assert world.one("select count(*) from raw.webhook_queue") == 0
    billable = world.execute("select distinct billable, pricing_category from raw.message_events")
    assert billable == [(True, "utility")]


async def test_a_status_finds_its_message_by_wamid_without_a_token(
    world: World, accepted: UUID, pool: Pool
) -> None:
    land(world, messages_body(world, status("wamid.1", "delivered")))
    await apply_batch(pool)
    assert world.states() == {"delivered": 1}


@pytest.mark.parametrize("state", ["sending", "in_doubt", "queued"])
async def test_a_token_proves_acceptance_of_what_nobody_recorded(
    world: World, pool: Pool, state: str
) -> None:
    (message_id,) = world.add_messages(None, world.add_contacts(1), state=state)
    world.execute("update app.messages set attempt_no = 1, in_doubt_since = now()")
    token = token_of(world, message_id)
    land(world, messages_body(world, status("wamid.7", "sent", token=token)))
    await apply_batch(pool)
    assert world.events() == {"accepted": 1, "sent": 1}
    row = world.one(
        "select state, wamid, accepted_at is not null, lease_until, in_doubt_since"
        " from app.messages"
    )
    assert row == ("sent", "wamid.7", True, None, None)
    assert world.one("select message_id from app.message_wamids") == message_id


async def test_an_unconfirmed_failure_gives_way_to_meta_s_word(world: World, pool: Pool) -> None:
    (message_id,) = world.add_messages(None, world.add_contacts(1), state="failed")
    world.execute("update app.messages set attempt_no = 1, reason = 'unconfirmed'")
    land(world, messages_body(world, status("w", "delivered", token=token_of(world, message_id))))
    await apply_batch(pool)
    assert world.one("select state, reason from app.messages") == ("delivered", None)


async def test_a_webhook_faster_than_the_record_leaves_one_event_of_each_kind(
    world: World,
    meta: MetaStub,
    dispatcher: Dispatcher,
    pool: Pool,
    ticket_for: MakeTicket,
) -> None:
    ids = world.add_messages(world.add_campaign(), world.add_contacts(1))

    async def answer_late(payload: dict[str, Any]) -> Any:
        answer = await meta.accept(payload)
        wamid = f"wamid.1.{payload['to'][-8:]}"
        token = payload["biz_opaque_callback_data"]
        await asyncio.to_thread(
            land, world, messages_body(world, status(wamid, "delivered", token=token))
        )
        await apply_batch(pool)
        return answer

    meta.answer = answer_late
    await dispatcher.handle(ticket_for(ids))
    assert world.states() == {"delivered": 1}
    assert world.events() == {"accepted": 1, "delivered": 1}
    assert world.one("select count(*) from app.message_wamids") == 1


async def test_failed_after_delivered_keeps_the_delivery_and_the_contradiction(
    world: World, accepted: UUID, pool: Pool
) -> None:
    land(world, messages_body(world, status("wamid.1", "delivered", pricing=PRICING)))
    await apply_batch(pool)
    land(world, messages_body(world, status("wamid.1", "failed", code=131026)))
    await apply_batch(pool)
    row = world.one("select state, conflict, billable, failed_at is not null from app.messages")
    assert row == ("delivered", "failed_after_delivered", True, True)


async def test_a_price_is_never_overwritten_by_nothing(
    world: World, accepted: UUID, pool: Pool
) -> None:
    land(world, messages_body(world, status("wamid.1", "sent", pricing=PRICING)))
    await apply_batch(pool)
    land(world, messages_body(world, status("wamid.1", "read")))
    await apply_batch(pool)
    row = world.one("select billable, pricing_category, delivered_at = read_at from app.messages")
    assert row == (True, "utility", True)


async def test_a_status_before_its_row_waits_and_is_joined(world: World, pool: Pool) -> None:
    (message_id,) = world.add_messages(None, world.add_contacts(1), state="accepted")
    body = messages_body(world, status("wamid.9", "delivered"))
    land(world, body, body)
    await apply_batch(pool)
    assert world.one("select count(*) from raw.orphan_statuses") == 1
    assert world.states() == {"accepted": 1}
    world.execute(
        "insert into app.message_wamids (tenant_id, wamid, message_id, attempt_no)"
        " values (%s, 'wamid.9', %s, 1)",
        world.tenant_id,
        message_id,
    )
    await retry_orphans(pool)
    assert world.states() == {"delivered": 1}
    assert world.one("select count(*) from raw.orphan_statuses") == 0


async def test_a_token_of_another_tenant_is_put_aside_and_changes_nothing(
    world: World, accepted: UUID, pool: Pool
) -> None:
    other = World(settings=world.settings, waba_id="109", phone_number_id="209").build()
    stolen = token_of(world, accepted)
    land(other, messages_body(other, status("wamid.x", "read", token=stolen)))
    await apply_batch(pool)
    assert world.states() == {"accepted": 1}
    assert quarantined(world) == ["token_of_another_tenant"]
    assert world.one("select kind from app.alerts") == "foreign_callback_token"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"phone_number_id": "999"}, "unknown_number"),
        ({"waba_id": "999"}, "number_of_another_account"),
    ],
)
async def test_an_update_of_a_number_that_is_not_its_account_s_is_put_aside(
    world: World, accepted: UUID, pool: Pool, change: dict[str, str], reason: str
) -> None:
    token = token_of(world, accepted)
    forged = replace(world, **change)  # type: ignore[arg-type]
    land(world, messages_body(forged, status("wamid.1", "read", token=token)))
    await apply_batch(pool)
    assert (world.states(), quarantined(world)) == ({"accepted": 1}, [reason])


@pytest.mark.parametrize("age", [timedelta(days=8), -timedelta(minutes=10)])
async def test_an_impossible_time_is_put_aside(
    world: World, accepted: UUID, pool: Pool, age: timedelta
) -> None:
    land(world, messages_body(world, status("wamid.1", "read", at=utc_now() - age)))
    await apply_batch(pool)
    assert (world.states(), quarantined(world)) == ({"accepted": 1}, ["impossible_time"])


async def test_one_bad_update_never_blocks_its_neighbours(
    world: World, accepted: UUID, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = notices.apply_notice

    async def explode(connection: Any, item: Any) -> None:
        if item.update.position == 0:
            raise ValueError("a bug")
        await original(connection, item)

    monkeypatch.setattr("sender.applier.applier.apply_notice", explode)
    poison = field_body(world, "account_alerts", {"alert_type": "NEED_MORE_INFO"})
    good = messages_body(world, status("wamid.1", "read", token=token_of(world, accepted)))
    land(world, poison, b"not json at all \xff", good)
    for _ in range(6):
        await apply_batch(pool)
        world.execute("update raw.webhook_queue set not_before = '-infinity'")
    assert world.states() == {"read": 1}
    assert world.one("select count(*) from raw.webhook_queue") == 0
    assert quarantined(world) == ["processing_failed", "processing_failed"]


async def test_people_who_stop_are_written_into_the_ledger_once(world: World, pool: Pool) -> None:
    (contact_id,) = world.add_contacts(1)
    world.execute(
        "insert into app.contact_identities (tenant_id, kind, value, contact_id)"
        " values (%s, 'wa_id', '5511910000000', %s)",
        world.tenant_id,
        contact_id,
    )
    world.consent(contact_id, granted=True)
    now = int(utc_now().timestamp()) + 1
    preference = {"wa_id": "5511910000000", "category": "marketing_messages", "value": "stop"}
    body = field_body(
        world, "user_preferences", {"user_preferences": [{**preference, "timestamp": now}]}
    )
    land(world, body, body)
    await apply_batch(pool)
    assert world.one("select granted from app.consent_states") is False
    assert world.one("select count(*) from app.consents where action = 'revoked'") == 1


async def test_a_stop_word_withdraws_marketing_consent(world: World, pool: Pool) -> None:
    (contact_id,) = world.add_contacts(1)
    world.execute(
        "insert into app.contact_identities (tenant_id, kind, value, contact_id)"
        " values (%s, 'wa_id', '5511910000000', %s)",
        world.tenant_id,
        contact_id,
    )
    message = {
        "from": "5511910000000",
        "id": "wamid.in",
        "timestamp": str(int(utc_now().timestamp())),
        "type": "text",
        "text": {"body": "PARE!"},
    }
    land(world, messages_body(world, messages=[message]))
    await apply_batch(pool)
    assert world.one("select granted from app.consent_states") is False


async def test_a_paused_template_is_halted_and_lifted_again(world: World, pool: Pool) -> None:
    meta_id = world.one("select meta_template_id from app.templates")

    def template(event: str) -> dict[str, Any]:
        value = {
            "event": event,
            "message_template_id": int(meta_id),
            "message_template_name": "pedido",
            "message_template_language": "pt-BR",
        }
        return field_body(world, "message_template_status_update", value)

    land(world, template("PAUSED"))
    await apply_batch(pool)
    assert world.one("select status, halted_reason from app.templates") == (
        "PAUSED",
        "Meta: PAUSED",
    )
    land(world, template("APPROVED"))
    await apply_batch(pool)
    assert world.one("select status, halted_reason from app.templates") == ("APPROVED", None)


async def test_two_appliers_share_the_work_without_doubling_it(world: World, pool: Pool) -> None:
    ids = world.add_messages(None, world.add_contacts(40), state="accepted")
    world.execute("update app.messages set attempt_no = 1, accepted_at = now()")
    for _ in range(3):
        land(
            world,
            *(
                messages_body(world, status(f"w{n}", state, token=token_of(world, message_id)))
                for n, message_id in enumerate(ids)
                for state in ("sent", "delivered")
            ),
        )

    async def drain() -> None:
        while await apply_batch(pool):
            pass

    await asyncio.gather(drain(), drain(), drain())
    assert world.states() == {"delivered": 40}
    assert world.events() == {"sent": 40, "delivered": 40}


def test_the_rank_of_states_is_the_same_in_sql_and_python(world: World) -> None:
    in_sql = dict(
        world.execute(
            "select s, app.state_rank(s) from unnest(%s::text[]) as s", list(MessageState)
        )
    )
    assert in_sql == {state.value: rank(state) for state in MessageState}


STATUSES = st.lists(
    st.tuples(st.sampled_from(["sent", "delivered", "read", "failed"]), st.integers(0, 3)),
    min_size=1,
    max_size=6,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(said=STATUSES, batch=st.integers(1, 4))
def test_any_order_and_repetition_of_statuses_ends_the_same(
    world: World, database: Settings, said: list[tuple[str, int]], batch: int
) -> None:
    """The end is the maximum by rank; every distinct status is one event, whatever the order."""
    contact = world.contacts[0] if world.contacts else world.add_contacts(1)[0]
    (message_id,) = world.add_messages(None, [contact], state="accepted")
    world.execute(
        "update app.messages set attempt_no = 1, accepted_at = now() where message_id = %s",
        message_id,
    )
    wamid, token = f"wamid.{new_id()}", token_of(world, message_id)
    now = utc_now()
    bodies = [
        messages_body(world, status(wamid, state, token=token, at=now - timedelta(seconds=seconds)))
        for state, seconds in said
    ]

    async def run() -> None:
        dsn = database.dsn(DatabaseRole.WORKER)
        async with open_pool(dsn, name="hypothesis", max_size=1) as pool:
            for start in range(0, len(bodies), batch):
                land(world, *bodies[start : start + batch])
                await apply_batch(pool)

    asyncio.run(run())
    expected = MessageState.ACCEPTED
    for state, _ in said:
        expected = next_state(expected, MessageState(state)).state
    assert world.one("select state from app.messages where message_id = %s", message_id) == expected
    events = world.execute(
        "select event_type, count(*) from raw.message_events where message_id = %s"
        " group by event_type",
        message_id,
    )
    assert dict(events) == {state: 1 for state, _ in said}
    row = world.one(
        "select delivered_at is not null, read_at is not null, failed_at is not null"
        " from app.messages where message_id = %s",
        message_id,
    )
    words = {state for state, _ in said}
    assert row == (bool(words & {"delivered", "read"}), "read" in words, "failed" in words)


async def test_a_database_that_is_away_does_not_turn_batches_into_single_bodies(
    world: World, accepted: UUID, database: Settings
) -> None:
    land(world, messages_body(world, status("wamid.1", "sent", token=token_of(world, accepted))))
    dsn = database.dsn(DatabaseRole.WORKER)
    async with open_pool(dsn, name="small", max_size=1) as small:
        small.timeout = 0.2
        async with small.connection():
            with pytest.raises(Unavailable):
                await apply_batch(small)
        assert small.get_stats()["requests_errors"] == 1
        assert await apply_batch(small) == 1
