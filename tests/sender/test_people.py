"""What people write and do, through the real applier: stored once, windows, consent, identity."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from core.broker.envelopes import Ticket
from core.clock import utc_now
from core.domain.ids import MessageId, TenantId, new_id
from core.store.database import Pool, platform_transaction
from core.store.dispatch import lock_messages
from sender.applier.applier import apply_batch
from sender.worker.dispatcher import Dispatcher
from tests.sender.landing import field_body, land, messages_body, status, token_of
from tests.sender.meta_stub import MetaStub
from tests.sender.world import World

ANA = "5511987654321"
ANA_OLD = "551187654321"  # the same mobile without its ninth digit
USER = "BR.13491208655302741918"
NOON = utc_now().replace(microsecond=0) - timedelta(hours=1)


def said(
    text: str | None = "oi", *, at: datetime = NOON, wa_id: str = ANA, **more: Any
) -> dict[str, Any]:
    return {
        "from": wa_id,
        "id": f"wamid.{new_id()}",
        "timestamp": str(int(at.timestamp())),
        "type": "text",
        **({} if text is None else {"text": {"body": text}}),
        **more,
    }


async def hear(world: World, pool: Pool, *messages: dict[str, Any]) -> None:
    land(world, messages_body(world, messages=list(messages)))
    while await apply_batch(pool):
        pass
    assert quarantined(world) == []


def quarantined(world: World) -> list[str]:
    return [row[0] for row in world.execute("select reason from raw.webhook_quarantine")]


def add_ana(world: World) -> UUID:
    """A person of an import: known by phone only."""
    (contact_id,) = world.add_contacts(1, address=f"+{ANA}")
    world.execute(
        "insert into app.contact_identities (tenant_id, kind, value, contact_id)"
        " values (%s, 'phone', %s, %s)",
        world.tenant_id,
        f"+{ANA}",
        contact_id,
    )
    return contact_id


def identities(world: World, contact_id: UUID) -> set[tuple[str, str, bool]]:
    return set(
        world.execute(
            "select kind, value, retired_at is null from app.contact_identities"
            " where contact_id = %s",
            contact_id,
        )
    )


async def test_a_message_is_stored_once_and_opens_the_window_from_its_own_time(
    world: World, pool: Pool
) -> None:
    contact_id = add_ana(world)
    message = said("Olá!")
    await hear(world, pool, message, message)
    await hear(world, pool, message)
    assert world.one("select body, type, contact_id from app.inbound_messages") == (
        "Olá!",
        "text",
        contact_id,
    )
    window = world.one("select contact_id, opened_at, expires_at from app.service_windows")
    assert window == (contact_id, NOON, NOON + timedelta(hours=24))


async def test_an_older_message_never_shortens_a_window_and_a_newer_one_lengthens_it(
    world: World, pool: Pool
) -> None:
    add_ana(world)
    for minutes in (0, -30, 20, 10):
        await hear(world, pool, said(at=NOON + timedelta(minutes=minutes)))
    assert world.one("select expires_at from app.service_windows") == NOON + timedelta(
        hours=24, minutes=20
    )
    assert world.one("select count(*) from app.inbound_messages") == 4


@pytest.mark.parametrize("kind", ["reaction", "request_welcome", "edit", "revoke"])
async def test_what_is_no_message_of_the_person_opens_no_window(
    world: World, pool: Pool, kind: str
) -> None:
    add_ana(world)
    await hear(world, pool, said(type=kind))
    assert world.one("select count(*) from app.service_windows") == 0


async def test_a_call_of_a_person_opens_the_window_and_one_of_ours_does_not(
    world: World, pool: Pool
) -> None:
    add_ana(world)

    def call(direction: str, at: datetime) -> dict[str, Any]:
        metadata = {"phone_number_id": world.phone_number_id}
        item = {
            "id": f"wacid.{direction}",
            "from": ANA,
            "event": "connect",
            "direction": direction,
            "timestamp": str(int(at.timestamp())),
        }
        return field_body(world, "calls", {"metadata": metadata, "calls": [item]})

    land(world, call("BUSINESS_INITIATED", NOON + timedelta(minutes=5)))
    land(world, call("USER_INITIATED", NOON))
    await apply_batch(pool)
    assert world.one("select opened_at from app.service_windows") == NOON


async def test_a_person_who_writes_first_becomes_a_contact_without_consent(
    world: World, pool: Pool
) -> None:
    await hear(world, pool, said(), said(wa_id=ANA_OLD), said(from_user_id=USER))
    contact_id, address, country = world.one(
        "select contact_id, address, country from app.contacts"
    )
    assert (address, country) == (f"+{ANA}", "BR")  # the ninth digit joins, never splits
    assert identities(world, contact_id) == {
        ("phone", f"+{ANA}", True),
        ("wa_id", ANA, True),
        ("wa_id", ANA_OLD, True),
        ("bsuid", USER, True),
    }
    assert world.one("select count(*) from app.consents") == 0
    assert world.one("select count(*) from app.inbound_messages") == 3


async def test_a_person_without_any_phone_writes_and_is_the_same_next_time(
    world: World, pool: Pool
) -> None:
    for _ in range(2):
        message = said(from_user_id=USER)
        del message["from"]
        await hear(world, pool, message)
    assert world.one("select address, country from app.contacts") == (USER, "BR")
    assert world.one("select count(*) from app.inbound_messages") == 2


@pytest.mark.parametrize(
    ("message", "granted"),
    [
        (said("PARE! \U0001f64f"), False),
        (said("please don't stop"), None),
        (said("quero"), True),
        (said("chega"), False),
        (said(type="button", button={"payload": "optout", "text": "Tudo bem"}, text=None), False),
        (said("stop", group_id="g1"), None),
        (said("stop", type="edit"), None),
    ],
)
async def test_words_and_buttons_move_consent(
    world: World, pool: Pool, message: dict[str, Any], granted: bool | None
) -> None:
    contact_id = add_ana(world)
    for source, value in (("word", "chega"), ("button", "optout")):
        world.execute(
            "insert into app.consent_keywords (tenant_id, source, value, action, written)"
            " values (%s, %s, %s, 'opt_out', %s)",
            world.tenant_id,
            source,
            value,
            value,
        )
    await hear(world, pool, message)
    states = world.execute(
        "select granted from app.consent_states where contact_id = %s", contact_id
    )
    assert states == ([] if granted is None else [(granted,)])


async def test_a_late_older_stop_does_not_undo_a_newer_start_and_both_are_in_the_ledger(
    world: World, pool: Pool
) -> None:
    add_ana(world)
    await hear(world, pool, said("START", at=NOON))
    await hear(world, pool, said("STOP", at=NOON - timedelta(minutes=5)))
    assert world.one("select granted from app.consent_states") is True
    assert world.one("select count(*) from app.consents") == 2
    await hear(world, pool, said("STOP", at=NOON), said("START", at=NOON))
    assert world.one("select granted from app.consent_states") is False  # a tie is a withdrawal


async def test_a_stop_inside_whatsapp_of_somebody_unknown_is_kept_for_when_they_are_known(
    world: World, pool: Pool
) -> None:
    item = {
        "wa_id": ANA,
        "user_id": USER,
        "category": "marketing_messages",
        "value": "stop",
        "timestamp": int(NOON.timestamp()),
    }
    body = field_body(world, "user_preferences", {"user_preferences": [item]})
    land(world, body, body)
    await apply_batch(pool)
    assert world.one("select granted, occurred_at from app.consent_states") == (False, NOON)
    assert world.one("select count(*) from app.consents") == 1
    assert world.one("select count(*) from app.service_windows") == 0


async def test_an_advertisement_s_message_is_kept_with_its_referral(
    world: World, pool: Pool
) -> None:
    add_ana(world)
    referral = {"source_type": "ad", "source_id": "1", "headline": "Oferta", "other": {"x": 1}}
    await hear(world, pool, said(referral=referral))
    assert world.one("select referral from app.inbound_messages") == {
        "source_type": "ad",
        "source_id": "1",
        "headline": "Oferta",
    }
    assert world.one("select referral_at from app.service_windows") == NOON


async def test_a_reply_names_our_message_and_media_its_id(world: World, pool: Pool) -> None:
    contact_id = add_ana(world)
    (message_id,) = world.add_messages(None, [contact_id], state="read")
    world.execute(
        "insert into app.message_wamids (tenant_id, wamid, message_id, attempt_no)"
        " values (%s, 'wamid.ours', %s, 1)",
        world.tenant_id,
        message_id,
    )
    picture = {"id": "778899", "mime_type": "image/jpeg", "caption": "olha"}
    message = said(None, type="image", image=picture, context={"id": "wamid.ours"})
    await hear(world, pool, message, said(context={"id": "wamid.unknown"}))
    rows = world.execute(
        "select reply_to_message_id, media_id, body from app.inbound_messages order by type"
    )
    assert rows == [(message_id, "778899", "olha"), (None, None, "oi")]


NEW = "5511920000000"


def changed(**system: Any) -> dict[str, Any]:
    return said(type="system", system={"type": "user_changed_number", **system})


@pytest.mark.parametrize("old", [datetime.fromtimestamp(0, UTC), NOON - timedelta(days=9)])
async def test_a_change_of_number_at_an_impossible_time_changes_nobody(
    world: World, pool: Pool, old: datetime
) -> None:
    contact_id = add_ana(world)
    system = {"type": "user_changed_number", "new_wa_id": "5511900000000"}
    land(world, messages_body(world, messages=[said(None, at=old, type="system", system=system)]))
    await apply_batch(pool)
    assert quarantined(world) == ["impossible_time"]
    assert identities(world, contact_id) == {("phone", f"+{ANA}", True)}


@pytest.mark.parametrize("state", ["failed", "in_doubt", "sending", "sent"])
async def test_whatever_is_queued_again_after_a_changed_number_goes_to_the_new_one(
    world: World,
    pool: Pool,
    dispatcher: Dispatcher,
    meta: MetaStub,
    ticket_for: Callable[[list[UUID]], Ticket],
    state: str,
) -> None:
    """Re-driven, settled, released, failed later: the row may be older than the number."""
    ids = world.add_messages(world.add_campaign(), [add_ana(world)])
    world.execute("update app.messages set state = %s, attempt_no = 1", state)
    await hear(world, pool, changed(wa_id=NEW))
    world.execute("update app.messages set state = 'queued'")
    await dispatcher.handle(ticket_for(ids))
    assert [payload["to"] for payload in meta.received] == [f"+{NEW}"]
    assert world.one("select address from app.messages") == f"+{NEW}"


async def test_a_changed_number_moves_what_waits_to_its_country_market_and_zone(
    world: World, pool: Pool
) -> None:
    world.execute(
        "insert into billing.market_map values ('1', 'US', 'North America', '[2020-01-01,)', '')"
    )
    contact_id = add_ana(world)
    world.add_messages(world.add_campaign(), [contact_id])
    world.execute("update app.messages set recipient_timezone = 'America/Sao_Paulo'")
    await hear(world, pool, changed(wa_id="16505551234"))
    moved = world.one("select address, country, market, recipient_timezone from app.messages")
    assert moved == ("+16505551234", "US", "North America", "America/Los_Angeles")


async def test_a_changed_number_is_the_same_person_and_the_old_one_gets_nothing_more(
    world: World, pool: Pool
) -> None:
    contact_id = add_ana(world)
    queued, sent = world.add_messages(None, [contact_id, contact_id])
    world.execute("update app.messages set state = 'sent' where message_id = %s", sent)
    notice = changed(wa_id=NEW)
    await hear(world, pool, notice, notice, said(wa_id=NEW))
    assert world.one("select address from app.contacts") == f"+{NEW}"
    addresses = dict(world.execute("select message_id, address from app.messages"))
    assert (addresses[queued], addresses[sent] == f"+{NEW}") == (f"+{NEW}", False)
    assert identities(world, contact_id) == {
        ("phone", f"+{ANA}", False),
        ("phone", f"+{NEW}", True),
        ("wa_id", NEW, True),
    }
    # The old number has a new owner by now: somebody else.
    await hear(world, pool, said(at=NOON + timedelta(minutes=1), wa_id=ANA))
    assert world.one("select count(*) from app.contacts") == 2
    assert world.one("select count(*) from app.service_windows where contact_id = %s", contact_id)


async def test_a_changed_user_id_is_the_same_person(world: World, pool: Pool) -> None:
    first = said(from_user_id=USER)
    del first["from"]
    await hear(world, pool, first)
    change = {
        "user_id": {"previous": USER, "current": "BR.2222"},
        "timestamp": int(NOON.timestamp()) + 60,
    }
    land(world, field_body(world, "user_id_update", {"user_id_update": [change]}))
    await apply_batch(pool)
    second = said(from_user_id="BR.2222", at=NOON + timedelta(minutes=2))
    del second["from"]
    await hear(world, pool, second)
    assert world.one("select address from app.contacts") == "BR.2222"
    assert world.one("select count(distinct contact_id) from app.inbound_messages") == 1


async def test_two_contacts_of_one_sender_become_one_person_with_the_stricter_consent(
    world: World, pool: Pool
) -> None:
    kept = add_ana(world)
    world.consent(kept, granted=True, purpose="marketing")
    campaign_id = world.add_campaign()
    await hear(
        world, pool, {k: v for k, v in said("SAIR", from_user_id=USER).items() if k != "from"}
    )
    other = world.one("select contact_id from app.contacts where address = %s", USER)
    doubled = world.add_messages(campaign_id, [kept, other])
    single = world.add_messages(world.add_campaign(), [other])
    world.execute(
        "insert into app.suppressions (tenant_id, contact_id, reason) values (%s, %s, 'bounced')",
        world.tenant_id,
        other,
    )
    await hear(world, pool, said("oi", from_user_id=USER, at=NOON + timedelta(minutes=1)))
    alive = "select contact_id from app.contacts where merged_into is null"
    assert world.one(alive) == kept
    assert (
        world.one(
            "select granted from app.consent_states"
            " where contact_id = %s and purpose = 'marketing'",
            kept,
        )
        is False
    )
    assert world.one("select contact_id, until from app.suppressions") == (kept, None)
    states = dict(
        world.execute("select message_id, state || coalesce(reason, '') from app.messages")
    )
    assert sorted(states[item] for item in doubled) == ["cancelledsame_person", "queued"]
    assert world.one(
        "select contact_id, address from app.messages where message_id = %s", single[0]
    ) == (kept, f"+{ANA}")
    assert world.one("select count(*) from app.inbound_messages where contact_id = %s", kept) == 2
    assert world.one(
        "select kept_contact_id, merged_contact_id, reason from app.contact_merges"
    ) == (
        kept,
        other,
        "same_sender",
    )
    assert world.events() == {"cancelled": 1}


async def test_a_message_of_another_account_or_an_impossible_time_is_put_aside(
    world: World, pool: Pool
) -> None:
    stolen = World(settings=world.settings, waba_id="9", phone_number_id=world.phone_number_id)
    land(world, messages_body(stolen, messages=[said()]))
    land(world, messages_body(world, messages=[said(at=datetime(2020, 1, 1, tzinfo=UTC))]))
    await apply_batch(pool)
    assert sorted(quarantined(world)) == ["impossible_time", "unknown_number"]
    assert world.one("select count(*) from app.contacts") == 0


async def test_text_that_postgresql_cannot_hold_hinders_nobody(world: World, pool: Pool) -> None:
    await hear(world, pool, said("a\x00b\ud800\u202e"), said("bom dia"))
    assert world.one("select count(*) from app.inbound_messages") == 2


async def test_a_stop_that_crosses_a_merge_is_the_kept_rows(world: World, pool: Pool) -> None:
    """Found before the other applier's merge, written after it."""
    contact_id = add_ana(world)
    (kept,) = world.add_contacts(1, first=7)
    world.execute(
        "update app.contacts set merged_into = %s where contact_id = %s", kept, contact_id
    )
    await hear(world, pool, said("STOP"))
    assert world.execute("select contact_id, granted from app.consent_states") == [(kept, False)]
    assert world.one("select contact_id from app.inbound_messages") == kept


async def until(world: World, question: str) -> None:
    """Wait until the database says yes."""
    for _ in range(1_000):
        if world.one(question):
            return
        await asyncio.sleep(0.02)
    raise AssertionError(question)


async def test_an_applier_that_merges_waits_for_a_worker_and_neither_is_ended(
    world: World, pool: Pool
) -> None:
    """Both need Ana's message and the other one: they ask in the same order, so one just waits."""
    ana, (twin, other) = add_ana(world), world.add_contacts(2, first=50)
    world.execute(
        "insert into app.contact_identities (tenant_id, kind, value, contact_id)"
        " values (%s, 'bsuid', %s, %s)",
        world.tenant_id,
        USER,
        twin,
    )
    low, high = world.add_messages(world.add_campaign(), [other, ana], state="accepted")
    tell = status("wamid.1", "delivered", token=token_of(world, low))
    land(world, messages_body(world, tell, messages=[said(from_user_id=USER)]))
    mine = [TenantId(world.tenant_id)]
    async with platform_transaction(pool) as worker:
        await lock_messages(worker, tenant_ids=mine, message_ids=[MessageId(low)])
        applier = asyncio.create_task(apply_batch(pool))
        await until(
            world,
            "select count(*) > 0 from pg_stat_activity"
            " where datname = current_database() and wait_event_type = 'Lock'",
        )
        await lock_messages(worker, tenant_ids=mine, message_ids=[MessageId(high)])
    assert await applier == 1
    assert world.one("select state from app.messages where message_id = %s", low) == "delivered"
    assert world.one("select count(*) from app.contact_merges") == 1
    assert world.one("select count(*) from app.inbound_messages") == 1
    assert quarantined(world) == []
