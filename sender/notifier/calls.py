"""One webhook, posted once: the signed request, and what the answer means.

Standard Webhooks (https://www.standardwebhooks.com, spec 1.0.0): the signed text is
`id.timestamp.body`; while secrets overlap, each of them signs.
"""

import asyncio
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp
import orjson
import yarl
from standardwebhooks import Webhook

from core.clock import utc_now
from core.domain.destinations import DestinationRules, ForbiddenDestination, check_destination
from core.domain.tenant_events import envelope, webhook_id
from core.outgoing import ForbiddenAddress
from core.store.deliveries import Claimed

_MAX_ANSWER_BYTES: Final = 64 * 1024
_KEPT_BYTES: Final = 1_024
_ASKS_TO_WAIT: Final = frozenset({429, 503})
_GONE: Final = 410
_AGENT: Final = "Carteiro-Webhooks/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How one call went; `failure` is None exactly for a 2xx."""

    failure: str | None
    http_status: int | None
    started_at: datetime
    duration_ms: int
    text: str | None = None
    retry_after_seconds: int | None = None

    @property
    def is_gone(self) -> bool:
        """The endpoint says that it exists no more."""
        return self.http_status == _GONE


def sign(secrets: Sequence[str], message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers of Standard Webhooks, with one signature for each secret."""
    text = body.decode()
    signatures = [Webhook(secret).sign(message_id, at, text) for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def write_body(claimed: Claimed) -> bytes:
    """The body of an event, the same bytes in every attempt."""
    return orjson.dumps(
        envelope(
            event_id=claimed.event_id,
            event_type=claimed.event_type,
            occurred_at=claimed.occurred_at.astimezone(UTC),
            data=claimed.data,
        )
    )


async def post(
    session: aiohttp.ClientSession,
    rules: DestinationRules,
    *,
    url: str,
    secrets: Sequence[str],
    claimed: Claimed,
) -> Answer:
    """Post one event; never raises for what the endpoint does. `session` is a guarded one."""
    started_at, began = utc_now(), time.perf_counter()
    status, text, wait, failure = None, None, None, None
    try:
        # The rules may be stricter today than when the address was saved.
        check_destination(url, rules)
        body = write_body(claimed)
        headers = {
            **sign(secrets, webhook_id(claimed.event_id), started_at, body),
            "Content-Type": "application/json",
            "User-Agent": _AGENT,
            "Accept-Encoding": "identity",
        }
        async with session.post(
            yarl.URL(url, encoded=True), data=body, headers=headers, allow_redirects=False
        ) as response:
            status = response.status
            failure = _failure_of_status(status)
            if status in _ASKS_TO_WAIT:
                wait = _retry_after(response.headers.get("Retry-After"), started_at)
            text = await _read_some(response)
    except (ForbiddenDestination, aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        # A 2xx counts from its status line on, whatever becomes of its body.
        if status is None or failure is not None:
            failure = failure or _failure_of_error(error)
    return Answer(
        failure=failure,
        http_status=status,
        started_at=started_at,
        duration_ms=round((time.perf_counter() - began) * 1_000),
        text=text,
        retry_after_seconds=wait,
    )


async def _read_some(response: aiohttp.ClientResponse) -> str:
    """The first KiB as text. Up to 64 KiB are read, so that the connection can be kept."""
    raw = bytearray()
    async for chunk in response.content.iter_chunked(8_192):
        raw += chunk
        if len(raw) > _MAX_ANSWER_BYTES:
            response.close()
            break
    # PostgreSQL's text holds no NUL.
    return raw[:_KEPT_BYTES].decode("utf-8", "replace").replace("\x00", "\ufffd")


def _failure_of_status(status: int) -> str | None:
    if 200 <= status < 300:
        return None
    return "redirect" if 300 <= status < 400 else "http_status"


def _failure_of_error(error: Exception) -> str:
    """A word of ours, never the error's text: that may name addresses of our network."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ForbiddenDestination | ForbiddenAddress):
            return "forbidden_address"
        cause = getattr(cause, "os_error", None) or cause.__cause__
    match error:
        case TimeoutError() | asyncio.TimeoutError():
            return "timeout"
        case aiohttp.ClientConnectorDNSError():
            return "name_not_found"
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return "tls"
        case aiohttp.ClientConnectorError():
            return "connection_refused"
        case _:
            return "connection_broken"


def _retry_after(value: str | None, now: datetime) -> int | None:
    """Seconds, from either form the header has (RFC 9110, 10.2.3); None when it has neither."""
    if not value or len(value) > 64:
        return None
    if value.isascii() and value.isdigit():
        return int(value[:9])
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0, round((at - now).total_seconds()))
