"""The worker as a process: SIGTERM loses nothing and leaves nothing open."""

import asyncio
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from core.broker.connection import TicketPublisher
from core.broker.envelopes import Ticket
from core.settings import Settings
from tests.chaos.live_path import live_path
from tests.sender.meta_stub import MetaStub
from tests.sender.world import World


@pytest.mark.parametrize(
    ("answer_after", "state"), [(1.5, "accepted"), (6.5, "in_doubt")], ids=["soon", "never"]
)
async def test_sigterm_drains_within_five_seconds_and_records_every_call(
    world: World,
    database: Settings,
    meta: MetaStub,
    valkey_url: str,
    ticket_for: Callable[..., Ticket],
    tmp_path: Path,
    *,
    answer_after: float,
    state: str,
) -> None:
    ids = world.add_messages(None, world.add_contacts(5))

    async def answer_late(payload: dict[str, Any]) -> web.StreamResponse:
        await asyncio.sleep(answer_after)
        return await meta.accept(payload)

    meta.answer = answer_late
    settings = database.model_copy(update={"broker_url": valkey_url})
    environment = {"CARTEIRO_META_BASE_URL": meta.url}
    with live_path(tmp_path, settings, valkey_url, **environment) as path:
        path.start_sender("worker")
        with TicketPublisher(settings) as publisher:
            await asyncio.to_thread(publisher.publish, ticket_for(ids, seconds=30))
        end = time.monotonic() + 20
        while len(meta.received) < 5:
            await asyncio.sleep(0.05)
            assert time.monotonic() < end, path.logs()
        worker = path.processes["worker"]
        worker.send_signal(signal.SIGTERM)
        # The bound is the late answer itself: a worker that drained on until it came would record
        # an acceptance, not a doubt.
        assert await asyncio.to_thread(worker.wait, 10) == 0, path.logs()
    assert world.states() == {state: 5}
    assert world.events() == {state: 5}
