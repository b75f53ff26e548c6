"""Running sandboxes and callbacks that record what they get, over real HTTP."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sandbox.app import SandboxApp, create_app
from sandbox.config import SandboxConfig
from sandbox.express import ExpressProtocol

Json = dict[str, Any]
TEMPLATE = {"name": "hello_world", "language": {"code": "en_US"}}


@contextmanager
def serving(app: Callable[..., Awaitable[None]]) -> Iterator[str]:
    """Serve an ASGI application on a free port in a thread; yields its base URL."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        http=ExpressProtocol if isinstance(app, SandboxApp) else "auto",
        log_level="error",
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            listener.close()
            raise RuntimeError("the server did not start")
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        listener.close()


@dataclass(slots=True)
class Delivery:
    """One POST as it arrived."""

    body: bytes
    signature: str

    @property
    def json(self) -> Json:
        """The body parsed."""
        parsed = orjson.loads(self.body)
        assert isinstance(parsed, dict)
        return parsed


@dataclass(slots=True)
class Callback:
    """A webhook receiver; `answers` are the statuses of its first answers, then 200."""

    url: str = ""
    verify_token: str = "verify-me"
    answers: list[int] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)

    def app(self) -> Starlette:
        """The receiver as an application."""
        return Starlette(routes=[Route("/hook", self._endpoint, methods=["GET", "POST"])])

    async def _endpoint(self, request: Request) -> Response:
        query = request.query_params
        if request.method == "GET":
            right = query.get("hub.verify_token") == self.verify_token
            return PlainTextResponse(query.get("hub.challenge"), 200 if right else 403)
        body = await request.body()
        self.deliveries.append(Delivery(body, request.headers.get("x-hub-signature-256", "")))
        return Response(status_code=self.answers.pop(0) if self.answers else 200)

    def values(self, field_name: str = "messages") -> list[Json]:
        """All `value` objects of one webhook field, in order of arrival."""
        return [
            change["value"]
            for delivery in list(self.deliveries)
            for entry in delivery.json["entry"]
            for change in entry["changes"]
            if change["field"] == field_name
        ]

    def statuses(self) -> list[Json]:
        """All statuses, in order of arrival."""
        return [status for value in self.values() for status in value.get("statuses", [])]

    def wait_for(self, condition: Callable[["Callback"], bool], seconds: float = 15) -> None:
        """Wait until the condition holds; fails loudly with what has come."""
        deadline = time.monotonic() + seconds
        while not condition(self):
            if time.monotonic() > deadline:
                names = [status["status"] for status in self.statuses()]
                raise AssertionError(f"waited in vain; statuses so far: {names}")
            time.sleep(0.02)

    def wait_for_statuses(self, count: int, seconds: float = 15) -> list[Json]:
        """Wait for at least `count` statuses."""
        self.wait_for(lambda callback: len(callback.statuses()) >= count, seconds)
        return self.statuses()


@contextmanager
def recording_callback(answers: list[int] | None = None) -> Iterator[Callback]:
    """A running webhook receiver."""
    callback = Callback(answers=list(answers or []))
    with serving(callback.app()) as base_url:
        callback.url = f"{base_url}/hook"
        yield callback


@dataclass(slots=True)
class RunningSandbox:
    """A sandbox in this process, with a client for its first number."""

    base_url: str
    app: SandboxApp
    client: httpx.Client

    @property
    def number_id(self) -> str:
        """The first phone number id."""
        return next(iter(self.app.sandbox.world.numbers))

    @property
    def waba_id(self) -> str:
        """The first account's id."""
        return next(iter(self.app.sandbox.world.wabas))

    @property
    def token(self) -> str:
        """The first access token."""
        return next(iter(self.app.sandbox.world.tokens))

    def post(self, body: Json, *, number_id: str | None = None) -> httpx.Response:
        """POST a body to the messages endpoint."""
        return self.client.post(f"/v26.0/{number_id or self.number_id}/messages", json=body)

    def send_template(self, to: str = "+5511955550123", **extra: object) -> httpx.Response:
        """Send the template without parameters."""
        template = {"messaging_product": "whatsapp", "to": to, "type": "template"}
        return self.post({**template, "template": TEMPLATE, **extra})

    def send_text(self, to: str = "+5511955550123", text: str = "Olá") -> httpx.Response:
        """Send a text."""
        body = {"messaging_product": "whatsapp", "to": to, "type": "text", "text": {"body": text}}
        return self.post(body)

    def control(self, path: str, body: Json) -> Json:
        """POST to the control API."""
        response = self.client.post(f"/sandbox/{path}", json=body)
        assert response.status_code == 200, response.text
        answer = response.json()
        assert isinstance(answer, dict)
        return answer

    def summary(self) -> Json:
        """The ledger's summary."""
        answer = self.client.get("/sandbox/ledger/summary").json()
        assert isinstance(answer, dict)
        return answer


@contextmanager
def running_sandbox(config: SandboxConfig, *, bare: bool = False) -> Iterator[RunningSandbox]:
    """Run a sandbox of this configuration in a thread."""
    app = create_app(config, bare=bare)
    with serving(app) as base_url:
        token = config.tokens[0].token
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=base_url, headers=headers, timeout=10) as client:
            yield RunningSandbox(base_url, app, client)


def quick_config(seed: int = 7, **sections: Json) -> SandboxConfig:
    """The demo world with statuses within milliseconds; sections are merged over it."""
    config = SandboxConfig.demo(seed).model_dump(mode="json")
    config["verify_token"] = "verify-me"
    config["delivery"] = {
        "sent_ms": [1, 5],
        "delivered_ms": [10, 20],
        "read_ms": [30, 40],
        "read_probability": 1.0,
        "template_approval_ms": 10,
    }
    for name, section in sections.items():
        config[name] = {**config[name], **section}
    return SandboxConfig.model_validate(config)


async def closes_without_answer(url: str, headers: dict[str, str], body: Json) -> bool:
    """True when the server ends the connection without a single byte of an answer."""
    host, _, rest = url.removeprefix("http://").partition("/")
    name, _, port = host.partition(":")
    reader, writer = await asyncio.open_connection(name, int(port))
    payload = orjson.dumps(body)
    lines = [f"POST /{rest} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(payload)}"]
    lines += [f"{key}: {value}" for key, value in headers.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode() + payload)
    try:
        return await asyncio.wait_for(reader.read(1), timeout=10) == b""
    except ConnectionResetError:
        return True
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
