"""The API behind its own server: ends for heads and bodies, and an end that loses no request."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from api.body_limits import Pace
from api.http_protocol import HEAD_BYTES, HEADERS
from api.server import server_of
from core.settings import Settings
from tests.api.conftest import Account, as_tenant
from tests.chaos.live_path import LivePath, live_path
from tests.support.settings import free_port

CSV = {"Content-Type": "text/csv"}
ROW = b"+55119876500%02d\n"


@asynccontextmanager
async def served(settings: Settings, **changes: object) -> AsyncIterator[int]:
    """The API on a port of its own, in this process: its clocks can be wound up."""
    changed = settings.model_copy(update={"api_port": free_port(), "drain_seconds": 0} | changes)
    server = server_of(create_app(changed), changed)
    task = asyncio.create_task(server._serve())
    while not server.started:
        assert not task.done(), task
        await asyncio.sleep(0.02)
    try:
        yield changed.api_port
    finally:
        server.should_exit = True
        await task


async def say(port: int, *parts: bytes, pause: float = 0.0) -> bytes:
    """What the server answers to these bytes, until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    heard = bytearray()

    async def listen() -> None:
        # All the while: what comes before a reset is lost to who reads only after it.
        with suppress(ConnectionError):
            while part := await reader.read(65_536):
                heard.extend(part)

    listening = asyncio.create_task(listen())
    with suppress(ConnectionError):
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
    async with asyncio.timeout(20):
        await listening
    writer.close()
    return bytes(heard)


@pytest.mark.parametrize(
    "head",
    [
        b"x: y\r\n" * (HEADERS + 1) + b"\r\n",
        b"x: " + b"y" * HEAD_BYTES + b"\r\n\r\n",
        b"".join(b"x%d: %s\r\n" % (n, b"y" * 1_000) for n in range(40)) + b"\r\n",
    ],
)
async def test_a_head_with_too_much_in_it_is_431_and_ends_the_connection(
    settings: Settings, head: bytes
) -> None:
    async with served(settings) as port:
        for method in (b"GET /health/live", b"POST /webhooks/meta"):
            answer = await say(port, method + b" HTTP/1.1\r\nhost: a\r\n" + head)
            assert answer.startswith(b"HTTP/1.1 431 "), answer[:80]
        long = b"GET /" + b"a" * HEAD_BYTES + b" HTTP/1.1\r\nhost: a\r\n\r\n"
        assert (await say(port, long)).startswith(b"HTTP/1.1 431 ")
        well = b"GET /health/live HTTP/1.1\r\nhost: a\r\nconnection: close\r\n"
        assert (await say(port, well + b"x: y\r\n" * 90 + b"\r\n")).startswith(b"HTTP/1.1 200 ")


async def test_a_head_without_an_end_is_cut_off_before_it_fills_the_memory(
    settings: Settings,
) -> None:
    async with served(settings) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nx: ")
        sent = 0
        with suppress(ConnectionError):
            while sent < 50_000_000 and not reader.at_eof():
                writer.write(b"y" * 65_536)
                sent += 65_536
                await writer.drain()
                await asyncio.sleep(0)
        writer.close()
        # What the kernel's buffers on both sides take, and no more.
        assert sent < 20_000_000


async def test_a_head_that_does_not_come_in_time_is_408_on_every_request_of_a_connection(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.http_protocol.HEAD_SECONDS", 0.5)
    whole = b"GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n"
    async with served(settings) as port:
        assert (await say(port, b"GET /health/live HT")).startswith(b"HTTP/1.1 408 ")
        assert (await say(port)).startswith(b"HTTP/1.1 408 ")
        second = await say(port, whole, whole[:30], pause=0.1)
        assert second.startswith(b"HTTP/1.1 200 ")
        assert b"HTTP/1.1 408 " in second
        # Bytes that trickle in buy no more time.
        started = time.monotonic()
        drops = [whole[n : n + 1] for n in range(30)]
        assert (await say(port, *drops, pause=0.1)).startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - started < 6


@pytest.mark.parametrize(
    "head",
    [
        b"content-length: 1000\r\n",
        b"transfer-encoding: chunked\r\n",
    ],
)
async def test_a_body_that_does_not_come_in_time_is_408_and_ends_the_connection(
    settings: Settings, tenant: Account, monkeypatch: pytest.MonkeyPatch, head: bytes
) -> None:
    quick = Pace(patience_seconds=0.5, bytes_per_second=1_000.0, longest_seconds=2.0)
    monkeypatch.setattr("api.body_limits.PACE", quick)
    monkeypatch.setattr("api.body_limits.UPLOAD_PACE", quick)
    credential = f"authorization: Bearer {tenant.api_key}\r\n".encode()
    chunked = head.startswith(b"transfer")
    drop = b"1\r\n \r\n" if chunked else b" "
    async with served(settings) as port:
        for path, kind in (
            (b"/v1/lists", b"application/json"),
            (b"/v1/contacts/imports?list=a", b"text/csv"),
            (b"/webhooks/meta", b"application/json"),
        ):
            request = b"POST %s HTTP/1.1\r\nhost: a\r\ncontent-type: %s\r\n" % (path, kind)
            started = time.monotonic()
            answer = await say(port, request + credential + head + b"\r\n", *[drop] * 60, pause=0.1)
            assert answer.startswith(b"HTTP/1.1 408 "), (path, answer)
            assert b"connection: close" in answer.lower()
            assert b"body-too-slow" in answer
            assert time.monotonic() - started < 10


async def test_a_body_without_an_end_is_cut_off(settings: Settings, tenant: Account) -> None:
    credential = f"authorization: Bearer {tenant.api_key}\r\n".encode()
    head = (
        b"POST /v1/lists HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
        b"transfer-encoding: chunked\r\n" + credential + b"\r\n"
    )
    async with served(settings) as port:
        answer = await say(port, head, *[b"10000\r\n" + b" " * 65_536 + b"\r\n"] * 200)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 413 ")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            assert (await client.get("/v1/lists", headers=as_tenant(tenant))).json()["items"] == []


class Crowd:
    """Clients that ask as long as the balancer calls the process ready."""

    def __init__(self, base: str, tenant: Account) -> None:
        self._base = base
        self._headers = as_tenant(tenant)
        self._ready = True
        self.answered = 0
        self.failed: list[str] = []

    async def balance(self) -> None:
        """What a balancer does: look twice a second, and send nobody where it says 503."""
        async with httpx.AsyncClient(base_url=self._base) as client:
            while self._ready:
                answer = await client.get("/health/ready")
                self._ready = answer.status_code == 200
                if not self._ready:
                    assert answer.json()["status"] == "draining"
                await asyncio.sleep(0.5)

    async def ask(self) -> None:
        async with httpx.AsyncClient(base_url=self._base, headers=self._headers) as client:
            while self._ready:
                try:
                    answer = await client.get("/v1/lists")
                except httpx.HTTPError as error:
                    self.failed.append(repr(error))
                    continue
                self.answered += 1
                if answer.status_code != 200:
                    self.failed.append(answer.text)

    async def upload(self, began: asyncio.Event, seconds: float) -> httpx.Response:
        """An import that is on its way when the process is told to end."""

        async def rows() -> AsyncIterator[bytes]:
            yield b"phone\n"
            for number in range(20):
                began.set()
                yield ROW % number
                await asyncio.sleep(seconds / 20)

        async with httpx.AsyncClient(base_url=self._base, headers=self._headers) as client:
            return await client.post(
                "/v1/contacts/imports",
                params={"list": "a"},
                content=rows(),
                headers=CSV,
                timeout=30,
            )


async def ended(path: LivePath, name: str) -> float:
    """Seconds until a process has ended."""
    process, started = path.processes.pop(name), time.monotonic()
    await asyncio.to_thread(process.wait, 30)
    return time.monotonic() - started


@pytest.mark.slow
async def test_an_end_under_load_fails_no_request_and_takes_less_than_thirty_seconds(
    settings: Settings, tenant: Account, valkey_url: str, tmp_path: Path
) -> None:
    more = {"CARTEIRO_DRAIN_SECONDS": "3", "CARTEIRO_RATE_LIMITS": "read=100000/1"}
    with live_path(tmp_path, settings, valkey_url, **more) as path:
        await asyncio.to_thread(path.start_api)
        crowd = Crowd(f"http://127.0.0.1:{path.api_port}", tenant)
        began = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(crowd.balance())
            for _ in range(8):
                group.create_task(crowd.ask())
            await asyncio.sleep(2)
            uploaded = group.create_task(crowd.upload(began, 6.0))
            await began.wait()
            before = crowd.answered
            path.processes["api"].send_signal(signal.SIGTERM)
            took = await ended(path, "api")
        assert crowd.failed == []
        assert crowd.answered > before > 20
        assert uploaded.result().status_code == 202, uploaded.result().text
        assert uploaded.result().json()["file_bytes"] == len(b"phone\n") + 20 * len(ROW % 0)
        assert 3 < took < 30


@pytest.mark.slow
async def test_a_second_signal_ends_the_process_without_waiting(
    settings: Settings, valkey_url: str, tmp_path: Path
) -> None:
    with live_path(tmp_path, settings, valkey_url, CARTEIRO_DRAIN_SECONDS="20") as path:
        await asyncio.to_thread(path.start_api)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{path.api_port}") as client:
            path.processes["api"].send_signal(signal.SIGTERM)
            await asyncio.sleep(0.5)
            live = await client.get("/health/live")
            assert (live.status_code, live.headers["connection"]) == (200, "close")
        path.processes["api"].send_signal(signal.SIGTERM)
        assert await ended(path, "api") < 6
