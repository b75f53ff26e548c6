"""Pains 6, 7, 8 and 15 of known campaign systems: what Meta tells, lost, misread or forged.

docs/known-pains.md says what makes each impossible here.
"""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from aiohttp import web
from pydantic import SecretStr

from api.app import create_app
from core.broker.envelopes import Ticket
from core.clock import utc_now
from core.errors import ConfigurationError
from core.settings import Settings
from core.store.database import Pool
from core.whatsapp.webhooks import sign
from sender.applier.applier import apply_batch, retry_orphans
from sender.settler.settler import settle
from sender.worker.dispatcher import Dispatcher
from tests.api.test_campaigns import Admin
from tests.api.test_webhook_landing import URL, handshake, signed, stored
from tests.sender.landing import land, messages_body, status, token_of
from tests.sender.meta_stub import MetaStub
from tests.sender.world import World
from tests.support.settings import APP_SECRET


async def drain(pool: Pool) -> None:
    while await apply_batch(pool):
        pass


def accepted(world: World, count: int) -> list[UUID]:
    ids = world.add_messages(None, world.add_contacts(count), state="accepted")
    world.execute("update app.messages set attempt_no = 1, accepted_at = now()")
    return ids


async def test_pain_06_a_status_never_goes_backwards(world: World, pool: Pool) -> None:
    late, failed = accepted(world, 2)
    now = utc_now()
    for state, minutes in (("read", 3), ("sent", 1), ("delivered", 2), ("sent", 1)):
        at = now - timedelta(minutes=10 - minutes)
        land(world, messages_body(world, status("w1", state, at=at, token=token_of(world, late))))
        await drain(pool)
    for state in ("delivered", "failed"):
        code = 131026 if state == "failed" else None
        told = status("w2", state, code=code, token=token_of(world, failed))
        land(world, messages_body(world, told))
        await drain(pool)
    rows = world.execute("select state, conflict from app.messages order by message_id")
    assert rows == [("read", None), ("delivered", "failed_after_delivered")]
    assert (
        world.one(
            "select sent_at < delivered_at and delivered_at < read_at from app.messages"
            " where message_id = %s",
            late,
        )
        is True
    )
    assert world.events() == {"sent": 1, "delivered": 2, "read": 1, "failed": 1}


async def test_pain_07_no_status_is_lost_to_an_unknown_neighbour_or_to_being_early(
    world: World, pool: Pool
) -> None:
    known, early = accepted(world, 2)
    statuses = [
        status("w.unknown", "delivered"),
        {"id": "w.odd", "status": "teleported", "timestamp": "yesterday"},
        status("w.known", "delivered", token=token_of(world, known)),
        status("w.early", "read", at=utc_now() - timedelta(days=6, minutes=1)),
    ]
    land(world, messages_body(world, *statuses))
    await drain(pool)
    assert world.states() == {"delivered": 1, "accepted": 1}
    # Six days later, as long as Meta may take to repeat, its row appears.
    world.execute(
        "update raw.orphan_statuses set first_seen_at = now() - interval '6 days',"
        " next_try_at = now()"
    )
    world.execute(
        "insert into app.message_wamids (tenant_id, wamid, message_id, attempt_no)"
        " values (%s, 'w.early', %s, 1)",
        world.tenant_id,
        early,
    )
    await retry_orphans(pool)
    assert world.states() == {"delivered": 1, "read": 1}


async def test_pain_08_a_failure_has_its_reason_and_an_expired_token_costs_one_message(
    world: World,
    database: Settings,
    pool: Pool,
    meta: MetaStub,
    dispatcher: Dispatcher,
    ticket_for: Callable[..., Ticket],
) -> None:
    ids = world.add_messages(world.add_campaign(), world.add_contacts(60))

    async def expired(payload: dict[str, Any]) -> web.StreamResponse:
        error = {
            "message": "Error validating access token",
            "code": 190,
            "error_subcode": 463,
            "fbtrace_id": "AbC",
        }
        return web.json_response({"error": error}, status=401)

    meta.answer = expired
    await dispatcher.handle(ticket_for(ids[:1]))
    for start in range(0, 60, 20):
        world.execute("update app.messages set not_before = null")
        await dispatcher.handle(ticket_for(ids[start : start + 20]))
    await settle(database, pool)
    assert len(meta.received) == 1
    assert world.states() == {"queued": 60}
    assert world.one("select error_code, error_subcode, fbtrace_id from app.message_attempts") == (
        190,
        463,
        "AbC",
    )
    assert world.execute("select kind from app.alerts") == [("account_blocked",)]
    assert world.one("select finished_at from app.campaigns") is None


@pytest.mark.parametrize("headers", [{}, {"X-Hub-Signature-256": ""}, signed(b"another body")])
async def test_pain_15_what_meta_did_not_sign_is_refused(
    anonymous: httpx.AsyncClient, admin: Admin, headers: dict[str, str]
) -> None:
    answer = await anonymous.post(URL, content=b'{"entry":[]}', headers=headers)
    assert answer.status_code == 401
    assert sign(b'{"entry":[]}', APP_SECRET) not in answer.text
    assert stored(admin) == []


def test_pain_15_without_a_secret_there_is_no_api_that_could_let_anybody_pass(
    settings: Settings,
) -> None:
    unset = settings.model_copy(update={"meta_app_secret": SecretStr("")})
    with pytest.raises(ConfigurationError, match="CARTEIRO_META_APP_SECRET"):
        create_app(unset)


async def test_pain_15_meta_can_register_the_address_and_a_replay_changes_nothing(
    anonymous: httpx.AsyncClient, world: World, pool: Pool
) -> None:
    assert (await anonymous.get(URL, params=handshake())).status_code == 200
    (message_id,) = accepted(world, 1)
    told = status("w", "delivered", token=token_of(world, message_id))
    body = json.dumps(messages_body(world, told)).encode()
    for _ in range(3):
        answer = await anonymous.post(URL, content=body, headers=signed(body))
        assert answer.status_code == 200
    await drain(pool)
    assert (world.states(), world.events()) == ({"delivered": 1}, {"delivered": 1})
