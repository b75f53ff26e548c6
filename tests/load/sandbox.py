"""Rows `sandbox bare responder` and `sandbox`: sends a second that the sandbox answers on one core.

The client writes raw requests, several at once on each connection, so that it isn't what is
measured.
"""

import asyncio
import json
import time
import urllib.request
from collections.abc import Sequence
from typing import Final

import orjson
import psutil

from sandbox.demo_world import demo_world
from tests.load.registry import Figure, benchmark
from tests.load.stage import OURS, Stage, cpu_seconds
from tests.support.settings import free_port

_REQUESTS: Final = 60_000
_BOOKED: Final = 20_000
_CONNECTIONS: Final = 8
_AT_ONCE: Final = 16


@benchmark(
    "sandbox bare responder",
    unit="requests/s",
    target=10_000,
    peer="a minimal FastAPI handler under uvicorn",
    seconds=45,
)
def measure_bare(stage: Stage) -> Figure:
    """Every request is answered with 200 and a message id of its own."""
    stage.require_cores(2)
    world = demo_world(1)
    process, port = _start_sandbox(stage, world, "--bare")
    requests = _requests(world, _REQUESTS)
    ours, our_cpu = _timed(process, port, requests)
    stage.say(f"bare: {ours:,.0f} requests/s")
    peer_port = free_port()
    application = "tests.load.fastapi_responder:app"
    arguments = ["-m", "uvicorn", application, "--port", str(peer_port), "--no-access-log"]
    peer = stage.start("fastapi", arguments, core=OURS)
    stage.wait_for(lambda: _answers(f"http://127.0.0.1:{peer_port}/"), 30)
    theirs, their_cpu = _timed(peer, peer_port, requests)
    stage.say(f"FastAPI: {theirs:,.0f} requests/s")
    return Figure(
        value=ours,
        peer_value=theirs,
        note=(
            f"{_REQUESTS:,} sends each, {_CONNECTIONS} connections, {_AT_ONCE} at once on each;"
            f" server on one core, client on the other; CPU a request: {our_cpu:.0f} us;"
            f" FastAPI: {their_cpu:.0f} us"
        ),
    )


@benchmark("sandbox", unit="messages/s", target=None, peer=None, seconds=8)
def measure_books(stage: Stage) -> Figure:
    """Checked, limited, booked; the statuses go nowhere, as without a callback."""
    stage.require_cores(2)
    world = demo_world(1) | {"limits": {"enforce_throughput": False}}
    process, port = _start_sandbox(stage, world)
    accepted, cpu = _timed(process, port, _requests(world, _BOOKED))
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/sandbox/ledger/summary") as answer:
        booked = json.load(answer)["accepted_total"]
    if booked != _BOOKED:
        raise RuntimeError(f"{_BOOKED} were sent and {booked} are booked")
    return Figure(
        value=accepted,
        peer_value=None,
        note=f"{_BOOKED:,} templates with three parameters; CPU a message: {cpu:.0f} us",
    )


def _start_sandbox(
    stage: Stage, world: dict[str, object], *options: str
) -> tuple[psutil.Process, int]:
    file, port = stage.folder / "sandbox.json", free_port()
    file.write_bytes(orjson.dumps(world))
    arguments = ["-m", "sandbox", "--port", str(port), "--config", str(file), *options]
    process = stage.start("sandbox", arguments, core=OURS)
    stage.wait_for(lambda: _answers(f"http://127.0.0.1:{port}/sandbox/health"), 30)
    return process, port


def _requests(world: dict[str, object], count: int) -> list[bytes]:
    numbers = orjson.loads(orjson.dumps(world))
    number_id, token = numbers["wabas"][0]["numbers"][0]["id"], numbers["tokens"][0]["token"]
    texts = [{"type": "text", "text": text} for text in ("Zoë", "A-1001", "amanhã")]
    url = [{"type": "text", "text": "A-1001"}]
    template = {
        "name": "order_update",
        "language": {"code": "pt_BR"},
        "components": [
            {"type": "body", "parameters": texts},
            {"type": "button", "sub_type": "url", "index": "0", "parameters": url},
        ],
    }
    made = []
    for i in range(count):
        body = orjson.dumps(
            {
                "messaging_product": "whatsapp",
                "to": f"+55119{10_000_000 + i}",
                "type": "template",
                "template": template,
                "biz_opaque_callback_data": f"{i:064d}",
            }
        )
        head = (
            f"POST /v26.0/{number_id}/messages HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        made.append(head.encode() + body)
    return made


def _timed(process: psutil.Process, port: int, requests: Sequence[bytes]) -> tuple[float, float]:
    """Requests a second, and CPU microseconds a request of the server."""
    cpu, began = cpu_seconds([process]), time.monotonic()
    asyncio.run(_all(port, requests))
    seconds = time.monotonic() - began
    spent = cpu_seconds([process]) - cpu
    return len(requests) / seconds, 1e6 * spent / len(requests)


async def _all(port: int, requests: Sequence[bytes]) -> None:
    shares = [requests[i::_CONNECTIONS] for i in range(_CONNECTIONS)]
    await asyncio.gather(*(_one(port, share) for share in shares))


async def _one(port: int, requests: Sequence[bytes]) -> None:
    """Send a share of the requests on one connection; raises RuntimeError for any but a 200."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for start in range(0, len(requests), _AT_ONCE):
        several = requests[start : start + _AT_ONCE]
        writer.write(b"".join(several))
        for _ in several:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if not head.startswith(b"http/1.1 200"):
                raise RuntimeError(f"answered {head[:40]!r}")
            length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
    writer.close()
    await writer.wait_closed()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
