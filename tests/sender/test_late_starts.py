"""A claim that was ours before the worker or its machine stood still: nothing leaves any more."""

import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from core.broker.envelopes import Ticket
from core.clock import utc_now
from core.domain.ids import MessageId
from core.secrets import sign_callback
from sender.worker import lease
from sender.worker.dispatcher import Dispatcher
from tests.sender.meta_stub import MetaStub
from tests.sender.world import World


@pytest.mark.parametrize("clock", ["monotonic", "wall"])
async def test_a_worker_frozen_before_its_first_byte_posts_nothing(
    world: World,
    dispatcher: Dispatcher,
    meta: MetaStub,
    ticket_for: Callable[..., Ticket],
    monkeypatch: pytest.MonkeyPatch,
    clock: str,
) -> None:
    ids = [MessageId(item) for item in world.add_messages(None, world.add_contacts(2))]
    frozen = {"seconds": 0}

    def freeze(*what: object) -> str:
        # After the gate's own look at the lease, before there is a connection.
        frozen["seconds"] = 3_600
        return sign_callback(*what)  # type: ignore[arg-type]

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return time.monotonic() + (frozen["seconds"] if clock == "monotonic" else 0)

    monkeypatch.setattr("sender.worker.dispatcher.sign_callback", freeze)
    monkeypatch.setattr(lease, "time", Clock)
    if clock == "wall":
        monkeypatch.setattr(
            lease, "utc_now", lambda: utc_now() + timedelta(seconds=frozen["seconds"])
        )
    await dispatcher.handle(ticket_for(ids))
    assert (meta.received, world.states()) == ([], {"queued": 2})
    assert world.execute("select distinct attempt_no from app.messages") == [(0,)]
