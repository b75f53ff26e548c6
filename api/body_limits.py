"""How large a body may be: counted as it comes in, whatever Content-Length says."""

from collections.abc import Mapping
from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import problem_response
from api.problems import CATALOGUE
from core.domain.media import KIND_OF_TYPE, LARGEST

JSON_LIMIT: Final = 1024 * 1024
IMPORT_LIMIT: Final = 64 * 1024 * 1024
_JSON: Final = frozenset({b"application/json"})
MEDIA_TYPES_BY_PATH: Final[Mapping[str, frozenset[bytes]]] = {
    "/v1/contacts/imports": frozenset({b"text/csv"}),
    "/v1/media": frozenset(name.encode() for name in KIND_OF_TYPE),
}
LIMITS_BY_PATH: Final[Mapping[str, int]] = {
    "/v1/contacts/imports": IMPORT_LIMIT,
    "/v1/media": LARGEST,
}


class _BodyTooLarge(HTTPException):
    """An HTTPException, for FastAPI turns any other error of reading a body into a 400."""

    def __init__(self) -> None:
        super().__init__(status_code=413)


class BodyLimits:
    """Ends a request with 413 as soon as its body passes the limit of its address.

    Compressed bodies are refused unread: a few kilobytes can stand for a gigabyte.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
            refusal = problem_response(
                CATALOGUE["unsupported-media-type"],
                "bodies are taken uncompressed only",
                request_id=scope.get("request_id"),
            )
            await refusal(scope, receive, send)
            return
        if not _is_media_type_right(scope, headers):
            refusal = problem_response(
                CATALOGUE["unsupported-media-type"],
                "the body isn't of the documented Content-Type",
                request_id=scope.get("request_id"),
            )
            await refusal(scope, receive, send)
            return
        limit = LIMITS_BY_PATH.get(scope["path"], JSON_LIMIT)
        await self._limited(scope, receive, send, limit=limit)

    async def _limited(self, scope: Scope, receive: Receive, send: Send, *, limit: int) -> None:
        declared = dict(scope["headers"]).get(b"content-length", b"")
        received = 0
        started = False

        async def counted_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise _BodyTooLarge
            return message

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            if declared.isdigit() and int(declared) > limit:
                raise _BodyTooLarge
            await self._app(scope, counted_receive, watched_send)
        except _BodyTooLarge:
            if started:
                raise
            refusal = problem_response(
                CATALOGUE["body-too-large"],
                f"the limit here is {limit} bytes",
                request_id=scope.get("request_id"),
                # What is left of the body is not read: the connection can't be used again.
                headers={"Connection": "close"},
            )
            await refusal(scope, receive, send)


def _is_media_type_right(scope: Scope, headers: Mapping[bytes, bytes]) -> bool:
    """Whether a body, if there is one, says that it is what the address takes."""
    length = headers.get(b"content-length", b"0")
    if length == b"0" and b"transfer-encoding" not in headers:
        return True
    wanted = MEDIA_TYPES_BY_PATH.get(scope["path"], _JSON)
    given = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    return given in wanted
