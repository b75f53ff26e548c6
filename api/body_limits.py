"""How large, how slow and of what form a body may be: counted as it comes in, whatever it says."""

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import problem_response
from api.http_protocol import BODY_IS_THERE
from api.json_bodies import fault_of
from api.problems import CATALOGUE
from core.contact_files.xlsx import MEDIA_TYPE
from core.domain.media import KIND_OF_TYPE, LARGEST

JSON_LIMIT: Final = 1024 * 1024
IMPORT_LIMIT: Final = 64 * 1024 * 1024
_JSON: Final = frozenset({b"application/json"})
MEDIA_TYPES_BY_PATH: Final[Mapping[str, frozenset[bytes]]] = {
    "/v1/contacts/imports": frozenset({b"text/csv", MEDIA_TYPE.encode()}),
    "/v1/media": frozenset(name.encode() for name in KIND_OF_TYPE),
}
LIMITS_BY_PATH: Final[Mapping[str, int]] = {
    "/v1/contacts/imports": IMPORT_LIMIT,
    "/v1/media": LARGEST,
}
#: A proxy may have believed the one and we the other. Two of Authorization are a 401.
_ONCE: Final = (b"host", b"content-type", b"content-encoding", b"idempotency-key")
#: What a proxy takes for a part of a name and we for its end.
_ENCODED: Final = re.compile(rb"%(?:2f|5c|00)", re.IGNORECASE)
#: What is left of a body that was cut off is not read: the connection can't be used again.
_CLOSE: Final = {"Connection": "close"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How slowly a body may come: so long for nothing, then so many bytes a second, then an end."""

    patience_seconds: float
    bytes_per_second: float
    longest_seconds: float

    def deadline(self, received: int) -> float:
        """Seconds from the first look at the body until when more than `received` must be there."""
        earned = self.patience_seconds + received / self.bytes_per_second
        return min(earned, self.longest_seconds)


#: A bad line brings 1 KiB/s; an import of 64 MiB has to come at 73 KiB/s to be there in time.
PACE: Final = Pace(patience_seconds=10.0, bytes_per_second=1024.0, longest_seconds=60.0)
UPLOAD_PACE: Final = Pace(patience_seconds=10.0, bytes_per_second=16_384.0, longest_seconds=900.0)


class BodyRefused(HTTPException):
    """An HTTPException, for FastAPI turns any other error of reading a body into a 400."""

    def __init__(self, status: int) -> None:
        super().__init__(status_code=status, headers=_CLOSE)


class Incoming:
    """A body on its way: counted, and against the clock."""

    def __init__(self, scope: Scope, receive: Receive, *, limit: int, pace: Pace) -> None:
        self._is_there: Callable[[], bool] | None = scope.get(BODY_IS_THERE)
        self._receive = receive
        self._limit = limit
        self._pace = pace
        self._received = 0
        self._began_at: float | None = None
        self._is_complete = False

    async def receive(self) -> Message:
        """The next part. Raises BodyRefused: 413 for too much, 408 for too little in time."""
        if self._is_complete:
            # What comes now is news of the connection, not of the body.
            return await self._receive()
        message = await (self._receive() if self._needs_no_clock() else self._in_time())
        self._received += len(message.get("body", b""))
        self._is_complete = not message.get("more_body", False)
        if self._received > self._limit:
            raise BodyRefused(413)
        return message

    def _needs_no_clock(self) -> bool:
        return self._is_there is not None and self._is_there()

    async def _in_time(self) -> Message:
        if self._began_at is None:
            self._began_at = time.monotonic()
        deadline = self._began_at + self._pace.deadline(self._received)
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                return await self._receive()
        except TimeoutError:
            raise BodyRefused(408) from None

    async def whole(self) -> bytes | None:
        """All of it; None when the client has gone."""
        parts = []
        while not self._is_complete:
            message = await self.receive()
            if message["type"] != "http.request":
                return None
            parts.append(message.get("body", b""))
        return b"".join(parts)


class BodyLimits:
    """Ends a request as soon as its body is too large (413), too slow (408) or no JSON (400).

    Nor does it pass on what two readers may understand in two ways (400).

    Compressed bodies are refused unread: a few kilobytes can stand for a gigabyte.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if len(headers) != len(scope["headers"]) and _decides_twice(scope):
            detail = "a header that decides comes twice"
            await _refuse(scope, receive, send, "malformed-request", detail, headers=_CLOSE)
            return
        if _ENCODED.search(scope.get("raw_path") or b""):
            detail = "the address holds an encoded slash, backslash or NUL"
            await _refuse(scope, receive, send, "malformed-request", detail, headers=_CLOSE)
            return
        if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
            detail = "bodies are taken uncompressed only"
            await _refuse(scope, receive, send, "unsupported-media-type", detail)
            return
        if not _is_media_type_right(scope, headers):
            detail = "the body isn't of the documented Content-Type"
            await _refuse(scope, receive, send, "unsupported-media-type", detail)
            return
        await self._limited(scope, receive, send, headers)

    async def _limited(
        self, scope: Scope, receive: Receive, send: Send, headers: Mapping[bytes, bytes]
    ) -> None:
        path = scope["path"]
        limit = LIMITS_BY_PATH.get(path, JSON_LIMIT)
        started = False

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        pace = UPLOAD_PACE if path in MEDIA_TYPES_BY_PATH else PACE
        incoming = Incoming(scope, receive, limit=limit, pace=pace)
        try:
            declared = headers.get(b"content-length", b"")
            if declared.isdigit() and int(declared) > limit:
                raise BodyRefused(413)
            if _has_body(headers) and path not in MEDIA_TYPES_BY_PATH:
                await self._with_json(scope, incoming, watched_send)
            else:
                await self._app(scope, incoming.receive, watched_send)
        except BodyRefused as refusal:
            if started:
                raise
            code, detail = "body-too-large", f"the limit here is {limit} bytes"
            if refusal.status_code == 408:
                code, detail = "body-too-slow", "the body didn't come in time"
            await _refuse(scope, receive, send, code, detail, headers=_CLOSE)

    async def _with_json(self, scope: Scope, incoming: Incoming, send: Send) -> None:
        """Read the whole body, which is small, judge it, and hand it on in one piece."""
        body = await incoming.whole()
        if body is None:
            return
        fault = fault_of(body) if body else None
        if fault is not None:
            await _refuse(scope, incoming.receive, send, "malformed-request", fault)
            return
        given = False

        async def replay() -> Message:
            nonlocal given
            if given:
                return await incoming.receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, replay, send)


async def _refuse(
    scope: Scope,
    receive: Receive,
    send: Send,
    code: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
) -> None:
    refusal = problem_response(
        CATALOGUE[code], detail, request_id=scope.get("request_id"), headers=headers
    )
    await refusal(scope, receive, send)


def _decides_twice(scope: Scope) -> bool:
    names = [name for name, _ in scope["headers"]]
    return any(names.count(name) > 1 for name in _ONCE)


def _has_body(headers: Mapping[bytes, bytes]) -> bool:
    length = headers.get(b"content-length", b"0")
    return length != b"0" or b"transfer-encoding" in headers


def _is_media_type_right(scope: Scope, headers: Mapping[bytes, bytes]) -> bool:
    """Whether a body, if there is one, says that it is what the address takes."""
    if not _has_body(headers):
        return True
    wanted = MEDIA_TYPES_BY_PATH.get(scope["path"], _JSON)
    given = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    return given in wanted
