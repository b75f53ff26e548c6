"""Who leaves by a word or a button is answered once, when the tenant wants it; nothing loops."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from core.broker.envelopes import Ticket
from core.clock import utc_now
from core.domain.consent import OPT_OUT_ANSWERS, START_WORDS, find_keyword
from core.domain.ids import new_id
from core.store.database import Pool
from sender.applier import applier
from sender.applier.applier import apply_batch
from sender.worker.dispatcher import Dispatcher
from tests.sender.landing import field_body, land, messages_body
from tests.sender.meta_stub import MetaStub
from tests.sender.test_people import ANA, USER, add_ana, hear, said
from tests.sender.world import World

MakeTicket = Callable[..., Ticket]


@pytest.fixture
def answering(world: World) -> World:
    for language, body in OPT_OUT_ANSWERS.items():
        world.execute(
            "insert into app.opt_out_answers (tenant_id, language, body) values (%s, %s, %s)",
            *(world.tenant_id, language, body),
        )
    return world


def answers(world: World) -> list[Any]:
    return world.execute("select content #>> '{text,body}' from app.messages order by message_id")


def said_before(text: str, **ago: float) -> dict[str, Any]:
    return said(text, at=utc_now().replace(microsecond=0) - timedelta(**ago))


async def test_nobody_is_answered_unless_the_tenant_wants_it(world: World, pool: Pool) -> None:
    add_ana(world)
    await hear(world, pool, said_before("PARE", minutes=1))
    assert answers(world) == []


async def test_who_leaves_is_answered_once_in_their_language_and_marketing_stays_out(
    answering: World,
    pool: Pool,
    dispatcher: Dispatcher,
    meta: MetaStub,
    ticket_for: MakeTicket,
) -> None:
    contact_id = add_ana(answering)
    answering.consent(contact_id, granted=True)
    answering.execute("update app.consent_states set occurred_at = now() - interval '1 day'")
    await hear(answering, pool, said_before("PARE", minutes=9), said_before("SAIR", minutes=9))
    await hear(answering, pool, said_before("pare", minutes=8))
    row = answering.one(
        "select contact_id, kind, category, state, expires_at - now() between '23 h' and '24 h'"
        " from app.messages"
    )
    assert row == (contact_id, "text", "service", "queued", True)
    assert answers(answering) == [(OPT_OUT_ANSWERS["pt"],)]
    assert answering.events() == {"planned": 1}
    ids = [row[0] for row in answering.execute("select message_id from app.messages")]
    await dispatcher.handle(ticket_for(ids))
    assert [payload["text"]["body"] for payload in meta.received] == [OPT_OUT_ANSWERS["pt"]]
    # They come back and leave again, or a machine of theirs does: one answer a window.
    await hear(answering, pool, said_before("quero", minutes=7))
    await hear(answering, pool, said_before("PARE", minutes=6))
    assert len(answers(answering)) == 1
    answering.execute("update app.opt_out_answered set answered_at = now() - interval '25 hours'")
    await hear(answering, pool, said_before("quero", minutes=5))
    await hear(answering, pool, said_before("PARE", minutes=4))
    assert len(answers(answering)) == 2


@pytest.mark.parametrize(
    ("language", "country", "body"),
    [("en_US", "BR", "en"), (None, "PT", "pt"), (None, "US", "en"), ("de", "US", "en")],
)
async def test_the_answer_is_in_the_persons_language_as_far_as_there_is_a_text(
    answering: World, pool: Pool, language: str | None, country: str, body: str
) -> None:
    add_ana(answering)
    answering.execute("update app.contacts set language = %s, country = %s", language, country)
    await hear(answering, pool, said_before("stop", minutes=1))
    assert answers(answering) == [(OPT_OUT_ANSWERS[body],)]


async def test_a_stop_inside_whatsapp_an_old_one_and_one_taken_back_are_not_answered(
    answering: World, pool: Pool
) -> None:
    contact_id = add_ana(answering)
    item = {
        "wa_id": ANA,
        "user_id": USER,
        "category": "marketing_messages",
        "value": "stop",
        "timestamp": int(utc_now().timestamp()),
    }
    land(answering, field_body(answering, "user_preferences", {"user_preferences": [item]}))
    await apply_batch(pool)
    answering.execute("delete from app.consent_states where contact_id = %s", contact_id)
    await hear(answering, pool, said_before("PARE", hours=25))
    answering.execute("delete from app.consent_states where contact_id = %s", contact_id)
    # It comes late, after the agreement that followed it.
    await hear(answering, pool, said_before("quero", minutes=1))
    await hear(answering, pool, said_before("PARE", minutes=5))
    assert answers(answering) == []


async def test_two_appliers_that_hear_it_together_answer_once(
    answering: World, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_ana(answering)
    for word in ("PARE", "SAIR", "stop", "cancelar"):
        land(answering, messages_body(answering, messages=[said_before(word, minutes=1)]))
    monkeypatch.setattr(applier, "_BATCH_BODIES", 1)
    await asyncio.gather(*(apply_batch(pool) for _ in range(4)))
    assert answering.one("select count(*) from app.inbound_messages") == 4
    assert len(answers(answering)) == 1


@pytest.mark.parametrize("scope", ["everything", "tenant", "number"])
async def test_the_answer_obeys_switches_like_every_message(
    answering: World,
    pool: Pool,
    dispatcher: Dispatcher,
    meta: MetaStub,
    ticket_for: MakeTicket,
    *,
    scope: str,
) -> None:
    add_ana(answering)
    await hear(answering, pool, said_before("PARE", minutes=1))
    answering.execute(
        "insert into ops.switches (switch_id, scope, tenant_id, subject, reason, set_by,"
        " expires_at) values (%s, %s, %s, %s, 'test', 'ana', now() + interval '1 hour')",
        new_id(),
        scope,
        None if scope == "everything" else answering.tenant_id,
        answering.phone_number_id if scope == "number" else None,
    )
    ids = [row[0] for row in answering.execute("select message_id from app.messages")]
    await dispatcher.handle(ticket_for(ids))
    assert (meta.received, answering.states()) == ([], {"queued": 1})


@pytest.mark.parametrize("body", OPT_OUT_ANSWERS.values())
def test_our_answers_are_no_words_of_consent_and_name_the_way_back(body: str) -> None:
    assert find_keyword(body, None) is None
    assert any(word.upper() in body for word in START_WORDS)
