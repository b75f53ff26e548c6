"""What people wrote before their number came to us: kept once, and nothing of it is news."""

import json
from datetime import datetime, timedelta
from typing import Any

from core.clock import utc_now
from core.domain.ids import new_id
from core.store.database import Pool
from core.whatsapp.updates import HistoryUpdate
from core.whatsapp.webhooks import parse_updates
from sender.applier.applier import apply_batch
from tests.sender.landing import field_body, land, messages_body
from tests.sender.test_people import ANA, add_ana, quarantined, said
from tests.sender.world import World

BUSINESS = "551155550000"
LONG_AGO = utc_now().replace(microsecond=0) - timedelta(days=120)


def written(text: str, *, at: datetime = LONG_AGO, **more: Any) -> dict[str, Any]:
    return said(text, at=at, history_context={"status": "READ"}, **more)


def by_the_business(text: str) -> dict[str, Any]:
    return {**written(text), "from": BUSINESS, "to": ANA}


def history(world: World, *messages: object, phase: int = 2) -> dict[str, Any]:
    metadata = {"phase": phase, "chunk_order": 1, "progress": 100}
    threads = [{"id": ANA, "messages": list(messages)}]
    return field_body(
        world,
        "history",
        {
            "messaging_product": "whatsapp",
            "metadata": {
                "display_phone_number": BUSINESS,
                "phone_number_id": world.phone_number_id,
            },
            "history": [{"metadata": metadata, "threads": threads}],
        },
    )


def test_a_history_is_read_as_one_update_with_what_people_wrote() -> None:
    world = World(settings=None)  # type: ignore[arg-type]
    body = history(world, written("oi"), by_the_business("olá"), {"id": "wamid.x"}, 7)
    (update,) = parse_updates(json.dumps(body).encode())
    assert isinstance(update, HistoryUpdate)
    assert ([message.body for message in update.messages], update.unread) == (["oi"], 2)
    declined = field_body(
        world,
        "history",
        {
            "metadata": {"phone_number_id": world.phone_number_id},
            "history": [{"errors": [{"code": 2593109, "title": "declined"}]}],
        },
    )
    (update,) = parse_updates(json.dumps(declined).encode())
    assert isinstance(update, HistoryUpdate)
    assert (update.messages, update.unread) == ((), 0)


async def test_what_was_written_before_is_kept_once_and_opens_nothing(
    world: World, pool: Pool
) -> None:
    contact_id = add_ana(world)
    world.execute(
        "insert into app.webhook_endpoints (tenant_id, endpoint_id, url, event_types, created_by)"
        " select %s, %s, 'https://example.test/x', '{*}', 'test'",
        *(world.tenant_id, new_id()),
    )
    recent = written("até amanhã", at=utc_now().replace(microsecond=0) - timedelta(hours=2))
    body = history(world, written("oi"), by_the_business("olá"), recent)
    land(world, body, body)
    await apply_batch(pool)
    rows = world.execute(
        "select contact_id, body, from_history from app.inbound_messages order by occurred_at"
    )
    assert rows == [(contact_id, "oi", True), (contact_id, "até amanhã", True)]
    assert world.one("select count(*) from app.service_windows") == 0
    told = "select count(*) from app.tenant_events where event_type = 'message.inbound'"
    assert world.one(told) == 0
    assert quarantined(world) == []
    # The same message live, after or before: one row, which then is live and opens its window.
    live = {name: value for name, value in recent.items() if name != "history_context"}
    land(world, messages_body(world, messages=[live]))
    land(world, body)
    await apply_batch(pool)
    kept = "select body, from_history from app.inbound_messages order by occurred_at"
    assert world.execute(kept) == [("oi", True), ("até amanhã", False)]
    assert world.one("select contact_id from app.service_windows") == contact_id


async def test_a_withdrawal_of_then_holds_and_an_agreement_of_then_does_not(
    world: World, pool: Pool
) -> None:
    contact_id = add_ana(world)
    for language in ("pt", "en"):
        world.execute(
            "insert into app.opt_out_answers (tenant_id, language, body) values (%s, %s, 'ok')",
            *(world.tenant_id, language),
        )
    land(world, history(world, written("quero", at=LONG_AGO - timedelta(days=1))))
    await apply_batch(pool)
    assert world.execute("select granted from app.consent_states") == []
    land(world, history(world, written("PARE"), written("quero", at=LONG_AGO + timedelta(days=1))))
    await apply_batch(pool)
    state = "select contact_id, granted, occurred_at from app.consent_states"
    assert world.execute(state) == [(contact_id, False, LONG_AGO)]
    assert world.one("select count(*) from app.messages") == 0  # nobody is answered months later
    # What they agreed to since, with something to show for it, outweighs it.
    world.execute("update app.consent_states set granted = true, occurred_at = now()")
    land(world, history(world, written("SAIR", at=LONG_AGO + timedelta(days=2))))
    await apply_batch(pool)
    assert world.one("select granted from app.consent_states") is True


async def test_a_history_of_another_account_or_of_the_future_writes_nothing(
    world: World, pool: Pool
) -> None:
    stolen = World(settings=world.settings, waba_id="9", phone_number_id=world.phone_number_id)
    land(world, history(stolen, written("oi")))
    land(world, history(world, written("oi", at=utc_now() + timedelta(days=1)), 7))
    await apply_batch(pool)
    assert sorted(quarantined(world)) == ["malformed", "unknown_number"]
    assert world.one("select count(*) from app.contacts") == 0
