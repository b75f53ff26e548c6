"""The notifier as a process: kill -9 in the middle of its calls loses no event."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core.settings import Settings
from tests.chaos.live_path import LivePath, live_path
from tests.sender.endpoint_stub import add_endpoint, emit, endpoint_stub
from tests.sender.world import World

EVENTS = 40


async def until(condition: Callable[[], bool], path: LivePath) -> None:
    end = time.monotonic() + 60
    while not condition():
        await asyncio.sleep(0.05)
        assert time.monotonic() < end, path.logs()


@pytest.mark.slow
async def test_a_killed_notifier_loses_nothing_and_a_stopped_one_leaves_nothing_open(
    world: World, database: Settings, tmp_path: Path
) -> None:
    async with endpoint_stub() as stub:
        add_endpoint(world, f"{stub.url}/slow")
        emit(world, count=EVENTS)
        environment = {
            "CARTEIRO_WEBHOOK_ALLOW_HTTP": "true",
            "CARTEIRO_WEBHOOK_PORTS": str(stub.port),
            "CARTEIRO_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
        }
        with live_path(tmp_path, database, "redis://unused:1/0", **environment) as path:
            path.start_sender("notifier", "first")
            await until(lambda: stub.open_calls == 16, path)
            path.kill("first")
            held = set(stub.ids())
            # What it held stays its own until the lease ends.
            path.start_sender("notifier", "second")
            await until(lambda: len(set(stub.ids())) == 32, path)
            assert sorted(stub.ids()) == sorted(set(stub.ids()))
            world.execute("update app.webhook_queue set due_at = now() where due_at > now()")
            stub.released.set()
            await until(lambda: delivered(world) == EVENTS, path)
            assert held <= set(stub.ids()[16:])
            second = path.processes["second"]
            second.terminate()
            assert await asyncio.to_thread(second.wait, 10) == 0, path.logs()
        assert len(set(stub.ids())) == EVENTS
        assert world.execute("select 1 from app.webhook_queue") == []


def delivered(world: World) -> int:
    found: int = world.one("select count(*) from app.webhook_deliveries where state = 'delivered'")
    return found
