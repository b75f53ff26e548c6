"""Rows of app.messages are cheap to move: what indexes name, and what pages keep free."""

import json
from typing import Any
from uuid import UUID

import pytest
from psycopg.rows import tuple_row

from core.clock import utc_now
from core.domain.ids import new_id
from core.domain.message_state import OPEN, MessageState
from core.settings import Settings
from core.store.database import Pool, platform_transaction
from core.whatsapp.updates import StatusUpdate
from core.whatsapp.webhooks import parse_updates
from sender.applier.arrivals import Arrived
from sender.applier.statuses import apply_statuses
from tests.sender.landing import PRICING, messages_body, status, token_of
from tests.sender.world import World

#: What a status may write of a message that Meta has accepted.
MOVED = {
    "state",
    "state_changed_at",
    "sent_at",
    "delivered_at",
    "read_at",
    "billable",
    "pricing_model",
    "pricing_type",
    "pricing_category",
    "reason",
    "error_code",
    "conflict",
}


@pytest.fixture
def database(each_database: Settings) -> Settings:
    """On each PostgreSQL: what makes an update HOT differs between versions."""
    return each_database


def test_no_index_of_messages_names_what_a_status_writes(world: World) -> None:
    named = {
        name
        for (name,) in world.execute(
            "select a.attname from pg_index as i"
            " inner join pg_depend as d on d.classid = 'pg_class'::regclass"
            " and d.objid = i.indexrelid and d.refobjid = i.indrelid"
            " inner join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = d.refobjsubid"
            " where i.indrelid = 'app.messages'::regclass"
        )
    }
    assert {"tenant_id", "work", "accepted_at"} <= named
    assert named.isdisjoint(MOVED)


async def test_from_accepted_to_read_a_message_writes_no_index_entry(
    world: World, pool: Pool
) -> None:
    ids = world.add_messages(world.add_campaign(), world.add_contacts(3), state="accepted")
    world.execute(
        "update app.messages set attempt_no = 1, accepted_at = now(), wamid = 'w.' || message_id"
    )
    for state in ("sent", "delivered", "read"):
        async with platform_transaction(pool) as connection:
            await apply_statuses(connection, statuses(world, ids, state))
            async with connection.cursor(row_factory=tuple_row) as cursor:
                await cursor.execute(
                    "select sum(n_tup_upd), sum(n_tup_hot_upd) from pg_stat_xact_user_tables"
                    " where schemaname = 'app' and relname ~ '^messages_'"
                )
                updated, hot = await cursor.fetchone() or (0, 0)
            assert updated == hot >= 3
    assert world.states() == {"read": 3}


def statuses(world: World, ids: list[UUID], state: str) -> list[Arrived[StatusUpdate]]:
    body = messages_body(
        world,
        *(status(f"w.{one}", state, token=token_of(world, one), pricing=PRICING) for one in ids),
    )
    return [
        Arrived(update=update, body_id=1, received_at=utc_now())
        for update in parse_updates(json.dumps(body).encode())
        if isinstance(update, StatusUpdate)
    ]


def test_a_partition_made_later_keeps_the_same_room_and_knows_the_work(world: World) -> None:
    before = partitions(world)
    world.execute("select ops.ensure_partitions(now() + interval '200 days', 7)")
    after = partitions(world)
    assert len(after) > len(before)
    assert set(after.values()) == {"{fillfactor=50}"}
    world.add_messages(None, world.add_contacts(1))
    world.execute("update app.messages set message_id = app.new_uuid7(now() + interval '200 days')")
    assert world.one("select tableoid::regclass::text, work from app.messages") == (
        world.one(
            "select 'app.messages_' || to_char((now() + interval '200 days') at time zone 'UTC',"
            " 'IYYY\"w\"IW')"
        ),
        "due",
    )


def partitions(world: World) -> dict[str, Any]:
    return dict(
        world.execute(
            "select c.oid::regclass::text, c.reloptions::text from pg_inherits as i"
            " inner join pg_class as c on c.oid = i.inhrelid"
            " where i.inhparent = 'app.messages'::regclass"
        )
    )


def test_who_has_something_left_to_do_follows_from_the_state(world: World) -> None:
    contacts = world.add_contacts(len(MessageState))
    campaign_id = world.add_campaign()
    for state, contact in zip(MessageState, contacts, strict=True):
        (message_id,) = world.add_messages(campaign_id, [contact])
        world.execute(
            "update app.messages set state = %s, exclusion_reason = %s where message_id = %s",
            state.value,
            "opted_out" if state is MessageState.EXCLUDED else None,
            message_id,
        )
    work = dict(world.execute("select state, work from app.messages"))
    opened = {state for (state,) in world.execute("select state from app.open_messages")}
    assert opened == {state.value for state in OPEN}
    assert {state for state, whose in work.items() if whose == "unreached"} == {"failed", "expired"}
    assert {name for name, whose in work.items() if whose is None} == {
        "accepted",
        "sent",
        "delivered",
        "read",
        "cancelled",
        "excluded",
    }


@pytest.mark.parametrize("state", ["sending", "held", "in_doubt", "failed"])
def test_an_open_question_reads_few_pages_of_a_campaign_that_is_read(
    world: World, state: str
) -> None:
    """20,000 rows are over; the one that is not is found without a look at them."""
    campaign_id = world.add_campaign()
    contacts = world.add_contacts(1)
    (pattern,) = world.add_messages(campaign_id, contacts, state=state)
    world.execute(
        "insert into app.messages (tenant_id, message_id, campaign_id, contact_id,"
        " contact_pseudonym, phone_number_id, waba_id, address, kind, template_id, category,"
        " content, state, accepted_at) select tenant_id,"
        " app.new_uuid7(now() - interval '30 seconds'), campaign_id, %s, contact_pseudonym,"
        " phone_number_id, waba_id, address, kind, template_id, category, '{}', 'read', now()"
        " from app.messages, generate_series(1, 20000) where message_id = %s",
        new_id(),
        pattern,
    )
    world.execute("vacuum analyze app.messages")
    ((plan,),) = world.execute(
        "explain (analyze, buffers, format json) select state from app.campaign_states"
        " where tenant_id = %s and campaign_id = %s",
        world.tenant_id,
        campaign_id,
    )
    top = plan[0]["Plan"]
    assert top["Shared Hit Blocks"] + top["Shared Read Blocks"] < 60
