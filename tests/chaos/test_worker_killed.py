"""A killed worker leaves in doubt what it posted, and nothing else."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from core.broker.connection import TicketPublisher
from core.broker.envelopes import Ticket
from core.clock import utc_now
from core.domain.ids import MessageId, PhoneNumberId, TenantId, new_id
from core.settings import Settings, get_settings
from tests.chaos.live_path import live_path
from tests.sender.meta_stub import meta_stub
from tests.sender.world import World
from tests.support.settings import SECRET_KEY


@pytest.fixture(autouse=True)
def _master_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTEIRO_SECRET_KEY", SECRET_KEY)
    get_settings.cache_clear()


async def test_what_a_killed_worker_held_back_at_its_gate_goes_out_and_is_no_doubt(
    database: Settings, valkey_url: str, tmp_path: Path
) -> None:
    """Five calls are open and hang when the worker dies; the other 35 were claimed, and never left.

    The judge is Meta's side: what it took is in doubt, everybody else gets the message, once.
    """
    world = World(settings=database).build()
    ids = world.add_messages(world.add_campaign(), world.add_contacts(40), category="marketing")
    settings = database.model_copy(update={"broker_url": valkey_url})
    ticket = Ticket(
        ticket_id=new_id(),
        tenant_id=TenantId(world.tenant_id),
        phone_number_id=PhoneNumberId(world.phone_number_id),
        message_ids=[MessageId(one) for one in ids],
        issued_at=utc_now(),
        expires_at=utc_now() + timedelta(minutes=5),
    )
    async with meta_stub() as meta:

        async def hang(payload: dict[str, Any]) -> web.StreamResponse:
            await asyncio.sleep(600)
            raise AssertionError

        meta.answer = hang
        environment = {
            "CARTEIRO_META_BASE_URL": meta.url,
            "CARTEIRO_META_MAX_CONNECTIONS": "5",
        }
        with live_path(tmp_path, settings, valkey_url, **environment) as path:
            path.start_sender("worker", "worker-0")
            with TicketPublisher(settings) as publisher:
                await asyncio.to_thread(publisher.publish, ticket)
            await _until(lambda: len(meta.received) == 5)
            assert world.states() == {"sending": 40}
            path.kill("worker-0")
            taken = set(meta.per_recipient())
            meta.answer = meta.accept
            path.start_sender("worker", "worker-1")
            # Long before the lease ends: a minute.
            await _until(lambda: world.states() == {"in_doubt": 5, "queued": 35})
            with TicketPublisher(settings) as publisher:
                await asyncio.to_thread(publisher.publish, ticket)
            await _until(lambda: world.states() == {"in_doubt": 5, "accepted": 35})
    assert set(meta.per_recipient().values()) == {1}
    assert len(meta.per_recipient()) == 40
    doubtful = world.execute("select address from app.messages where state = 'in_doubt'")
    assert {address for (address,) in doubtful} == taken
    # The claim that never left used up no number.
    assert world.execute("select distinct attempt_no from app.messages") == [(1,)]


async def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 40
    while not condition():
        assert time.monotonic() < end, "it did not come to pass in time"
        await asyncio.sleep(0.05)
