"""Signed webhook POSTs, as Meta sends them: as many as a server takes, or at set times.

Raw asyncio on kept-alive connections, so that what is measured is the server.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import Sequence
from typing import Final, cast

from core.clock import utc_now
from core.whatsapp.webhooks import sign
from tests.sender.landing import PRICING, messages_body, status
from tests.sender.world import World
from tests.support.settings import APP_SECRET

#: As many bodies are under way as connections: half of them share the commit, the others wait for
#: the next. With 64 nothing was busy, and what was measured was the time of a commit (2026-11-23).
CONNECTIONS: Final = 256
_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length: "
#: An answer that never came counts as one after this time.
LOST_SECONDS: Final = 10.0


def make_posts(world: World, count: int, *, first: int = 0) -> list[bytes]:
    """Whole requests to /webhooks/meta, each body with one status of its own."""
    now = utc_now()
    return [
        _request(
            messages_body(
                world,
                status(
                    f"wamid.HBgNNTUxMTk5OTk5OTk5ORUCABEYEj{number:020d}",
                    "delivered",
                    token=f"c1.{number:072d}",
                    at=now,
                    pricing=PRICING,
                ),
            )
        )
        for number in range(first, first + count)
    ]


def _request(content: dict[str, object]) -> bytes:
    body = json.dumps(content, separators=(",", ":")).encode()
    head = (
        "POST /webhooks/meta HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: facebookexternalua\r\n"
        "Content-Type: application/json\r\nAccept: */*\r\n"
        f"X-Hub-Signature-256: {sign(body, APP_SECRET)}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def post_all(port: int, requests: Sequence[bytes]) -> list[int]:
    """Statuses of the answers; each connection sends its next one when it has its answer."""
    left = iter(requests)
    statuses: list[int] = []

    async def lane() -> None:
        connection = await _connect(port)
        statuses.extend([await connection.post(request) for request in left])
        connection.close()

    await asyncio.gather(*(lane() for _ in range(CONNECTIONS)))
    return statuses


async def post_at_rate(
    port: int, requests: Sequence[bytes], per_second: float
) -> list[tuple[int, float]]:
    """(status, seconds from the moment it was due) of each; nobody waits for an answer.

    Status 0 is an answer that never came, or a connection that broke.
    """
    connections = [await _connect(port) for _ in range(CONNECTIONS)]
    start = time.monotonic() + 0.1

    async def one(index: int, request: bytes) -> tuple[int, float]:
        due = start + index / per_second
        await asyncio.sleep(due - time.monotonic())
        try:
            async with asyncio.timeout(LOST_SECONDS):
                status = await connections[index % CONNECTIONS].post(request)
        except (OSError, TimeoutError):
            return 0, LOST_SECONDS
        return status, time.monotonic() - due

    answers = await asyncio.gather(*(one(*numbered) for numbered in enumerate(requests)))
    for connection in connections:
        connection.close()
    return answers


async def _connect(port: int) -> "_Connection":
    _, protocol = await asyncio.get_running_loop().create_connection(_Connection, "127.0.0.1", port)
    return protocol


class _Connection(asyncio.Protocol):
    """Answers come in the order of the requests."""

    def __init__(self) -> None:
        self._buffer = b""
        self._waiting: deque[asyncio.Future[int]] = deque()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def post(self, request: bytes) -> asyncio.Future[int]:
        """The status of the answer; raises OSError when the connection breaks."""
        answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(answered)
        self._transport.write(request)
        return answered

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (head_end := self._buffer.find(_HEAD_END)) >= 0:
            head = self._buffer[:head_end].lower()
            length = head.partition(_LENGTH)[2].partition(b"\r\n")[0]
            end = head_end + len(_HEAD_END) + int(length or b"0")
            if len(self._buffer) < end:
                return
            self._buffer = self._buffer[end:]
            answered = self._waiting.popleft()
            if not answered.done():
                answered.set_result(int(head[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        for answered in self._waiting:
            if not answered.done():
                answered.set_exception(exc or ConnectionResetError("the server hung up"))

    def close(self) -> None:
        """Nothing is waited for any more."""
        self._transport.close()
