"""GET and POST /webhooks/meta as plain ASGI, without routing, validation and a log of each call.

Meta asks for three posts a message sent, half of them answered within 250 ms (Throughput and
Webhooks overview, as read on 2026-09-11), so this path does nothing but what it must: count the
bytes, check the signature over exactly those bytes, store them, answer.
"""

import hmac
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qs

from starlette.types import Receive, Scope, Send

from api import body_limits
from api.body_limits import BodyRefused, Incoming
from api.errors import problem_response
from api.metrics import WEBHOOKS_RECEIVED
from api.problems import CATALOGUE
from api.security_headers import SECURITY_HEADERS
from api.webhooks.landing import Landing
from core.logs import get_logger
from core.settings import Settings
from core.whatsapp.webhooks import verify_signature

_log = get_logger(__name__)

PATH: Final = "/webhooks/meta"
#: Meta's bodies end at 3 MB (Webhooks overview, 2026-09-11); the rest is room.
MAX_BODY_BYTES: Final = 4 * 1024 * 1024
#: Meta's challenge is a number; whatever could be markup is not echoed.
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{1,256}", re.ASCII)
_OK_HEADERS: Final = [
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"content-length", b"2"),
    *SECURITY_HEADERS,
]


#: Looking a counter up by its label costs three times as much as counting.
_LANDED: Final = WEBHOOKS_RECEIVED.labels(outcome="landed")


class MetaWebhooks:
    """Serves every request to PATH, of any method."""

    def __init__(self, *, settings: Settings, landing: Callable[[], Landing | None]) -> None:
        self._secrets = settings.meta_app_secrets()
        self._verify_token = settings.meta_verify_token.get_secret_value().encode()
        self._landing = landing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            await self._receive_webhook(scope, receive, send)
        elif scope["method"] == "GET":
            await self._handshake(scope, receive, send)
        else:
            await _refuse(
                scope,
                receive,
                send,
                "method-not-allowed",
                "send GET or POST",
                headers={"Allow": "GET, POST"},
            )

    async def _receive_webhook(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = scope["headers"]
        encoding = _only(headers, b"content-encoding")
        if encoding is not None and encoding.lower() != b"identity":
            await _refuse(scope, receive, send, "unsupported-media-type", "send it uncompressed")
            return
        body = await _read(scope, receive, send)
        if body is None:
            return
        signature = _only(headers, b"x-hub-signature-256")
        if not verify_signature(body, signature, self._secrets):
            WEBHOOKS_RECEIVED.labels(outcome="bad_signature").inc()
            _log.warning("webhook refused", reason="bad_signature", bytes=len(body))
            await _refuse(scope, receive, send, "bad-signature", "nothing was stored")
            return
        landing = self._landing()
        if landing is None or not await landing.land(body):
            WEBHOOKS_RECEIVED.labels(outcome="unavailable").inc()
            await _refuse(scope, receive, send, "unavailable", "nothing was stored; send it again")
            return
        _LANDED.inc()
        await send({"type": "http.response.start", "status": 200, "headers": _OK_HEADERS})
        await send({"type": "http.response.body", "body": b"OK"})

    async def _handshake(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=20)
        mode, token, challenge = (
            query.get(name, [""])[0] for name in ("hub.mode", "hub.verify_token", "hub.challenge")
        )
        ours = self._verify_token
        matches = hmac.compare_digest(token.encode("utf-8", "surrogateescape"), ours)
        echoes = _CHALLENGE.fullmatch(challenge) is not None
        if not ours or mode != "subscribe" or not matches or not echoes:
            _log.warning("webhook handshake refused", reason="bad_handshake")
            await _refuse(scope, receive, send, "not-allowed", "the handshake doesn't fit")
            return
        await _send_text(send, challenge.encode())


async def _send_text(send: Send, text: bytes) -> None:
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(text)).encode()),
        *SECURITY_HEADERS,
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text})


def _only(headers: list[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """The one value of a header; two of them count as none."""
    values = [value for key, value in headers if key == name]
    return values[0].strip() if len(values) == 1 else None


async def _read(scope: Scope, receive: Receive, send: Send) -> bytes | None:
    """The whole body; None when it was refused, or whoever sent it has gone."""
    try:
        return await Incoming(scope, receive, limit=MAX_BODY_BYTES, pace=body_limits.PACE).whole()
    except BodyRefused as refusal:
        code, detail = "body-too-large", f"the limit is {MAX_BODY_BYTES} bytes"
        if refusal.status_code == 408:
            code, detail = "body-too-slow", "the body didn't come in time"
        await _refuse(scope, receive, send, code, detail, headers={"Connection": "close"})
        return None


async def _refuse(
    scope: Scope,
    receive: Receive,
    send: Send,
    code: str,
    detail: str,
    *,
    headers: dict[str, str] | None = None,
) -> None:
    ours = {name.decode(): value.decode() for name, value in SECURITY_HEADERS}
    refusal = problem_response(CATALOGUE[code], detail, headers={**ours, **(headers or {})})
    await refusal(scope, receive, send)
