"""The Graph API's front: any version prefix or none, the token, the envelope of errors, headers.

A plain ASGI application: the messages endpoint is the hot path of every load run, and a router
per request costs more than the rest of it.
"""

import asyncio
import contextlib
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import parse_qsl

import orjson
from starlette.types import Receive, Scope, Send

from sandbox.acceptance import Sandbox
from sandbox.answers import HTML, NEWEST_VERSION, OUTAGE_PAGE, error_code_of, meta_headers
from sandbox.config import AnswerFault, TokenConfig
from sandbox.errors import GraphError

_VERSION = re.compile(r"v\d+(\.\d+)?")
_MANAGEMENT_EDGES: Final = frozenset({"", "message_templates", "phone_numbers", "subscribed_apps"})
_BODY_LIMIT: Final = 64 * 1024 * 1024


class GraphRequest:
    """One call: node and edge of the path, query, body, who calls."""

    __slots__ = (
        "base_url",
        "body",
        "content_type",
        "edge",
        "method",
        "node",
        "query",
        "token",
        "version",
    )

    def __init__(
        self,
        *,
        version: str,
        method: str,
        node: str,
        edge: str,
        query: Mapping[str, str],
        body: bytes,
        content_type: str,
        base_url: str,
        token: TokenConfig,
    ) -> None:
        self.version = version
        self.method = method
        self.node = node
        self.edge = edge
        self.query = query
        self.body = body
        self.content_type = content_type
        self.base_url = base_url
        self.token = token


class GraphAnswer:
    """A JSON answer; `fault` is what happens to it on its way, `waba_id` names the usage header."""

    __slots__ = ("content", "fault", "status", "waba_id")

    def __init__(
        self,
        content: object,
        *,
        status: int = 200,
        waba_id: str | None = None,
        fault: AnswerFault | None = None,
    ) -> None:
        self.content = content
        self.status = status
        self.waba_id = waba_id
        self.fault = fault


Handler = Callable[[Sandbox, GraphRequest], "GraphAnswer | Awaitable[GraphAnswer]"]


class GraphApi:
    """Dispatches on (method, edge); a call without edge goes to the node's own handler."""

    def __init__(self, sandbox: Sandbox, handlers: Mapping[tuple[str, str], Handler]) -> None:
        self._sandbox = sandbox
        self._handlers = handlers
        self._trace_prefix = secrets.token_urlsafe(9)
        self._calls = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if scope["type"] != "http":
            return
        path = split_path(scope["path"])
        self._calls += 1
        trace_id = f"A{self._trace_prefix}{self._calls:x}"
        waba_id, fault, regain_minutes = None, None, 0
        extra: list[tuple[bytes, bytes]] = []
        try:
            answer = await self._answer(scope, receive, path)
            status, content, waba_id, fault = (
                answer.status,
                answer.content,
                answer.waba_id,
                answer.fault,
            )
        except GraphError as error:
            status, content = self._sandbox.refuse(error), error.envelope(trace_id)
            waba_id, regain_minutes = error.waba_id, error.regain_minutes
            if status == 401:
                extra.append((b"www-authenticate", b'OAuth "Facebook Platform" "invalid_token"'))
        if fault is AnswerFault.SLOW_ACCEPTED:
            await asyncio.sleep(self._sandbox.faults.config.slow_seconds)
        elif fault is not None:
            await self._spoil(fault, scope, receive, send, trace_id)
            return
        headers = meta_headers(path[0], trace_id, waba_id, regain_minutes=regain_minutes)
        await _respond(send, status, orjson.dumps(content), headers + extra)

    async def _answer(
        self, scope: Scope, receive: Receive, path: tuple[str, str, str]
    ) -> GraphAnswer:
        version, node, edge = path
        query = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
        headers = dict(scope["headers"])
        token = _bearer(headers) or query.get("access_token")
        known = self._sandbox.world.authorise(token, self._sandbox.clock.now_ms())
        method = scope["method"]
        self._spend_call(node, edge)
        handler = self._handlers.get((method, edge))
        if handler is None:
            raise GraphError(
                100, title=f"Unknown path components: /{edge}", subcode=2500 if edge else 33
            )
        host = headers.get(b"host", b"localhost").decode("latin-1")
        request = GraphRequest(
            version=version,
            method=method,
            node=node,
            edge=edge,
            query=query,
            body=b"" if method == "GET" else await _read(receive),
            content_type=headers.get(b"content-type", b"").decode("latin-1"),
            base_url=f"{scope['scheme']}://{host}",
            token=known,
        )
        answer = handler(self._sandbox, request)
        return answer if isinstance(answer, GraphAnswer) else await answer

    def _spend_call(self, node: str, edge: str) -> None:
        """Count a call against the app's hour and, if it manages an account, against its hour."""
        world, limits = self._sandbox.world, self._sandbox.config.limits
        now_ms = self._sandbox.clock.now_ms()
        if limits.app_calls_per_hour is not None:
            minutes = world.calls.take("app", now_ms, limits.app_calls_per_hour)
            if minutes:
                raise GraphError(4, waba_id=world.config.app_id, regain_minutes=minutes)
        managed = node in world.wabas and edge in _MANAGEMENT_EDGES
        if managed and limits.management_calls_per_hour is not None:
            minutes = world.calls.take(node, now_ms, limits.management_calls_per_hour)
            if minutes:
                raise GraphError(80007, waba_id=node, regain_minutes=minutes)

    async def _spoil(
        self, fault: AnswerFault, scope: Scope, receive: Receive, send: Send, trace_id: str
    ) -> None:
        """Answer with an outage page or a 5xx, hang, or cut the connection."""
        code = error_code_of(fault)
        if code is not None:
            error = GraphError(code)
            content = orjson.dumps(error.envelope(trace_id))
            headers = meta_headers(NEWEST_VERSION, trace_id, None)
            await _respond(send, error.http_status, content, headers)
        elif fault in {AnswerFault.HTML_ACCEPTED, AnswerFault.HTML_UNACCEPTED}:
            await _respond(send, 502, OUTAGE_PAGE, [(b"content-type", HTML)])
        else:
            if fault in {AnswerFault.HANG_ACCEPTED, AnswerFault.HANG_UNACCEPTED}:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._sandbox.faults.config.hang_seconds):
                        await _until_disconnected(receive)
            await _cut(scope, receive)


def split_path(path: str) -> tuple[str, str, str]:
    """Version, node and edge of `/v26.0/1055/messages`; the version may be missing."""
    parts = [part for part in path.split("/") if part]
    version = parts.pop(0) if parts and _VERSION.fullmatch(parts[0]) else NEWEST_VERSION
    node = parts[0] if parts else ""
    return version, node, "/".join(parts[1:])


def _bearer(headers: Mapping[bytes, bytes]) -> str | None:
    scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token else None


async def _read(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise GraphError(100, title="The connection was closed inside the body")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > _BODY_LIMIT:
            raise GraphError(100, title="Request body is too large", http_status=413)
        chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)


async def _respond(
    send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _until_disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _cut(scope: Scope, receive: Receive) -> None:
    """Reset the connection without an answer, as a crashing load balancer does."""
    transport = scope.get("sandbox.transport")
    if transport is None:
        raise RuntimeError("only a server that hands out its transport can drop a connection")
    transport.abort()
    await _until_disconnected(receive)
