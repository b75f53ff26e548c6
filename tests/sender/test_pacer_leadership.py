"""Pacers as processes: a leader that dies or freezes is followed; two at once double nothing."""

import asyncio
import signal
from pathlib import Path

import pytest

from core.settings import Settings
from sender.worker.dispatcher import Dispatcher
from tests.chaos.live_path import LivePath, live_path
from tests.sender.meta_stub import MetaStub
from tests.sender.test_pacer import until, working
from tests.sender.world import World

pytestmark = pytest.mark.slow


async def leads(path: LivePath, name: str) -> None:
    log = path.folder / f"{name}.log"
    await until(lambda: log.exists() and "pacer leads" in log.read_text(), 60)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
async def test_a_standby_publishes_when_the_leader_is_gone(
    world: World,
    database: Settings,
    dispatcher: Dispatcher,
    meta: MetaStub,
    valkey_url: str,
    tmp_path: Path,
    end: signal.Signals,
) -> None:
    settings = database.model_copy(update={"broker_url": valkey_url})
    contacts = world.add_contacts(60)
    with live_path(tmp_path, settings, valkey_url) as path:
        async with working(settings, dispatcher):
            path.start_sender("pacer", "first")
            await leads(path, "first")
            path.start_sender("pacer", "second")
            world.add_messages(world.add_campaign(), contacts)
            await until(lambda: len(meta.received) == 60, 60)
            assert "pacer leads" not in (path.folder / "second.log").read_text()
            leader = path.processes["first"]
            leader.send_signal(end)
            world.add_messages(None, contacts)
            await until(lambda: len(meta.received) == 120, 60)
            await leads(path, "second")
            if end == signal.SIGSTOP:
                # It wakes up, believes that it leads, and finds its session gone.
                leader.send_signal(signal.SIGCONT)
            world.add_messages(world.add_campaign(), contacts)
            await until(lambda: world.states() == {"accepted": 180}, 60)
            await asyncio.to_thread(path.kill, "first")
    assert max(meta.per_recipient().values()) == 3
    assert len(meta.received) == 180


async def test_a_single_goes_out_before_the_rest_of_another_tenant_s_campaign(
    world: World,
    database: Settings,
    dispatcher: Dispatcher,
    meta: MetaStub,
    valkey_url: str,
    tmp_path: Path,
) -> None:
    settings = database.model_copy(update={"broker_url": valkey_url})
    world.add_messages(world.add_campaign(), world.add_contacts(4_000))
    other = World(settings=database, waba_id="109", phone_number_id="209", prefix="+55219").build()
    (contact,) = other.add_contacts(1)
    with live_path(tmp_path, settings, valkey_url) as path:
        async with working(settings, dispatcher):
            path.start_sender("pacer")
            await until(lambda: len(meta.received) > 200, 60)
            other.add_messages(None, [contact])
            await until(lambda: other.states() == {"accepted": 1}, 60)
            await until(lambda: len(meta.received) == 4_001, 120)
    recipients = [payload["to"] for payload in meta.received]
    place = next(at for at, to in enumerate(recipients) if to.startswith("+55219"))
    # It overtook the campaign: what was already with the workers is all that went before it.
    assert place < 3_000
