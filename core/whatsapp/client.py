"""The Cloud API over HTTP: calls, and the exact meaning of each way they can go wrong.

The line that matters runs through a send: before a connection stood, nothing can have been
processed; afterwards everything may have been. Meta has no idempotency key, so a send of which we
don't know the fate is never repeated by this module.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

import aiohttp
import orjson

from core.domain.provider_errors import parse_code
from core.errors import ConfigurationError, MetaError, MetaUnreachable
from core.whatsapp.call_limits import asked_wait
from core.whatsapp.json_values import Json, child, objects, optional_identifier, text

_MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
_PAGE_SIZE: Final = 100
_MAX_PAGES: Final = 1_000
_TEMPLATE_FIELDS: Final = (
    "id,name,language,status,category,correct_category,components,parameter_format,quality_score,"
    "message_send_ttl_seconds,rejected_reason"
)
_NUMBER_FIELDS: Final = (
    "id,display_phone_number,verified_name,quality_rating,status,throughput,"
    "whatsapp_business_manager_messaging_limit"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SendAccepted:
    """Meta took the message; that says nothing yet about its delivery.

    `wa_id` may differ from the number that was asked for (Brazil, Mexico): it is the person's true
    address. `message_status` is accepted, held_for_quality_assessment or paused; absent = accepted.
    """

    wamid: str
    wa_id: str | None
    user_id: str | None
    message_status: str

    @property
    def held(self) -> bool:
        """Meta holds it back until the template's quality is known."""
        return self.message_status != "accepted"


def open_session(*, max_connections: int, timeout_seconds: float) -> aiohttp.ClientSession:
    """A session for all clients of a process; close it at the end.

    `max_connections` bounds the calls under way to one host; more wait for a free connection.
    `timeout_seconds` is the whole call's, that wait included: a lease on a message must outlast it.
    Redirects and the environment's proxies aren't followed, and no cookie is kept.
    """
    connector = _WatchedConnector(
        limit=max_connections,
        limit_per_host=max_connections,
        ttl_dns_cache=60,
        keepalive_timeout=30,
    )
    timeout = aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=min(10.0, timeout_seconds))
    return aiohttp.ClientSession(
        connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
    )


@dataclass(slots=True)
class _Progress:
    """How far a call has come. Sessions that are not from `open_session` leave it unknown."""

    watched: bool = False
    connected: bool = False
    before_bytes: Callable[[], None] | None = None

    def connect(self) -> None:
        """A connection stands: whoever keeps account of what leaves is told first."""
        if self.before_bytes is not None:
            self.before_bytes()
        self.connected = True


_progress: ContextVar[_Progress | None] = ContextVar("progress of a call", default=None)


class _WatchedConnector(aiohttp.TCPConnector):
    """Tells a call that it has got its connection, new or kept alive, before a byte is written.

    aiohttp's own trace hooks say the same at a third of a send's CPU time (measured 2026-11-23).
    """

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[aiohttp.tracing.Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - the overridden method has it
    ) -> aiohttp.connector.Connection:
        connection = await super().connect(req, traces, timeout)
        progress = _progress.get()
        if progress is not None:
            try:
                progress.connect()
            except BaseException:
                # Nobody will use it: it goes back unused.
                connection.release()
                raise
        return connection


class CloudApi:
    """The Cloud API as one access token sees it; many may share one session."""

    def __init__(
        self, base_url: str, version: str, token: str, session: aiohttp.ClientSession
    ) -> None:
        """`base_url` without version (https://graph.facebook.com); `version` like v26.0."""
        if not token.isascii() or not token.isprintable():
            # Anything else would end the header line and begin another.
            raise ConfigurationError("the access token of a WhatsApp account isn't printable ASCII")
        self.base_url = base_url.rstrip("/")
        self._root = f"{self.base_url}/{version}"
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        self._session = session

    async def send_message(
        self,
        phone_number_id: str,
        payload: Mapping[str, object],
        *,
        before_bytes: Callable[[], None] | None = None,
    ) -> SendAccepted:
        """Send one message, once. `before_bytes` is called when a connection stands, before the
        first byte leaves; while it was not called, none has left.

        Raises MetaError when Meta refused it with an error envelope; decide by
        `provider_errors.classify`. Raises MetaUnreachable(before_bytes=True) when no connection
        stood: safe to repeat. Raises MetaUnreachable(before_bytes=False) for all else, including a
        2xx without a message id: the message is in doubt.
        """
        path = f"{path_segment(phone_number_id)}/messages"
        answer = await self._call("POST", path, body=payload, before_bytes=before_bytes)
        return _accepted(answer)

    async def upload_media(
        self, phone_number_id: str, *, content: bytes, mime_type: str, file_name: str
    ) -> str:
        """Give Meta a file for one number; returns its id, good for 30 days.

        Repeating it does no harm: Meta then has the file twice. Raises as `send_message` does.
        """
        form = aiohttp.FormData()
        form.add_field("messaging_product", "whatsapp")
        form.add_field("type", mime_type)
        form.add_field("file", content, filename=file_name, content_type=mime_type)
        answer = await self._call("POST", f"{path_segment(phone_number_id)}/media", form=form)
        media_id = optional_identifier(answer.body, "id")
        if media_id is None:
            raise MetaUnreachable("Meta took a file without naming it", before_bytes=False)
        return media_id

    def iter_templates(self, waba_id: str) -> AsyncIterator[Json]:
        """All templates of an account in all languages, page by page, as Meta writes them."""
        return self._pages(
            f"{path_segment(waba_id)}/message_templates", {"fields": _TEMPLATE_FIELDS}
        )

    def iter_phone_numbers(self, waba_id: str) -> AsyncIterator[Json]:
        """All numbers of an account, page by page, as Meta writes them."""
        return self._pages(f"{path_segment(waba_id)}/phone_numbers", {"fields": _NUMBER_FIELDS})

    async def get_number(self, phone_number_id: str) -> Json:
        """One number with quality, throughput and messaging limit, as Meta writes it."""
        answer = await self._call(
            "GET", path_segment(phone_number_id), query={"fields": _NUMBER_FIELDS}
        )
        return answer.body

    async def pricing_analytics(
        self,
        waba_id: str,
        start: datetime,
        end: datetime,
        granularity: str = "DAILY",
        *,
        dimensions: Sequence[str] = (
            "COUNTRY",
            "PHONE",
            "PRICING_CATEGORY",
            "PRICING_TYPE",
            "TIER",
        ),
        phone_numbers: Sequence[str] = (),
    ) -> list[Json]:
        """Meta's own count and cost of [start, end), one data point a combination of dimensions.

        `granularity` is HALF_HOUR, DAILY or MONTHLY, in the account's zone. Approximate; reaches
        back one year. COST is missing for accounts on a partner's credit line.
        """
        field = (
            f"pricing_analytics.start({int(start.timestamp())}).end({int(end.timestamp())})"
            f".granularity({granularity}).phone_numbers({_list(phone_numbers)})"
            f".metric_types({_list(('COST', 'VOLUME'))}).dimensions({_list(dimensions)})"
        )
        answer = await self._call("GET", path_segment(waba_id), query={"fields": field})
        groups = _items(child(answer.body, "pricing_analytics").get("data"))
        return [point for group in groups for point in _items(group.get("data_points"))]

    async def _pages(self, path: str, query: Mapping[str, str]) -> AsyncIterator[Json]:
        after: str | None = None
        for _ in range(_MAX_PAGES):
            cursor = {} if after is None else {"after": after}
            answer = await self._call(
                "GET", path, query={**query, "limit": str(_PAGE_SIZE), **cursor}
            )
            for item in _items(answer.body.get("data")):
                yield item
            # The `next` address isn't followed: it may point anywhere and carries the token.
            paging = child(answer.body, "paging")
            following = optional_identifier(child(paging, "cursors"), "after", limit=2_000)
            if "next" not in paging or following is None or following == after:
                return
            after = following
        raise MetaUnreachable("a list at Meta has no end", before_bytes=False)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
        before_bytes: Callable[[], None] | None = None,
        form: aiohttp.FormData | None = None,
    ) -> "_Answer":
        watched = isinstance(self._session.connector, _WatchedConnector)
        progress = _Progress(watched=watched, before_bytes=before_bytes)
        _progress.set(progress)
        headers = self._headers if body is None else {**self._headers, **_JSON_BODY}
        request = self._session.request(
            method,
            f"{self._root}/{path}",
            params=query,
            data=form if body is None else orjson.dumps(body),
            headers=headers,
            allow_redirects=False,
        )
        with _Translated(progress):
            async with request as response:
                raw = await _bounded_read(response)
                answer = _Answer(
                    status=response.status,
                    body=_json_object(raw),
                    headers=response.headers,
                )
        _raise_unless_accepted(answer)
        return answer


_JSON_BODY: Final = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    status: int
    body: Json
    headers: Mapping[str, str]


class _Translated:
    """Turns the transport's failures into MetaUnreachable; the address never gets into the text."""

    def __init__(self, progress: _Progress) -> None:
        self._progress = progress

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, (aiohttp.ClientError, asyncio.TimeoutError, OSError)):
            raise MetaUnreachable(
                type(error).__name__, before_bytes=_is_before_bytes(error, self._progress)
            ) from error


def _is_before_bytes(error: BaseException, progress: _Progress) -> bool:
    """Whether no byte of the request can have left.

    Refused, unresolvable and failed TLS handshakes never had a connection; nor had a call that ran
    out of time while it waited for one. A kept-alive connection that the peer closed can't be told
    apart from one closed after reading the request: that is `after`.
    """
    if progress.watched:
        return not progress.connected
    return isinstance(
        error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)
    )


async def _bounded_read(response: aiohttp.ClientResponse) -> bytes:
    """The answer's body. An endless one is cut, and then is no JSON."""
    raw = bytearray()
    async for chunk in response.content.iter_chunked(65_536):
        raw += chunk
        if len(raw) > _MAX_ANSWER_BYTES:
            response.close()
            return b""
    return bytes(raw)


def _json_object(raw: bytes) -> Json:
    """The answer as an object; empty when it is HTML, cut off, or anything but an object."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def read_send_answer(raw: bytes, *, http_status: int) -> SendAccepted:
    """What `CloudApi.send_message` makes of an answer that somebody recorded; raises as it does."""
    answer = _Answer(status=http_status, body=_json_object(raw), headers={})
    _raise_unless_accepted(answer)
    return _accepted(answer)


def _raise_unless_accepted(answer: _Answer) -> None:
    if 200 <= answer.status < 300 and ("error" not in answer.body or "messages" in answer.body):
        return
    error = answer.body.get("error")
    if not isinstance(error, dict):
        # HTML of a proxy, an empty 502, a redirect: nobody knows how far the request got.
        raise MetaUnreachable(
            "Meta answered without an error envelope",
            before_bytes=False,
            http_status=answer.status,
        )
    data = error.get("error_data")
    code = parse_code(_number_or_text(error.get("code")))
    raise MetaError(
        meta_code=code,
        http_status=answer.status,
        subcode=parse_code(_number_or_text(error.get("error_subcode"))),
        title=text(error, "message"),
        details=text(data, "details") if isinstance(data, dict) else text(error, "error_data"),
        fbtrace_id=text(error, "fbtrace_id", limit=64),
        retry_after_seconds=asked_wait(answer.headers, code),
    )


def _accepted(answer: _Answer) -> SendAccepted:
    """A 2xx with a message id is a success, whatever else is missing; without one: in doubt."""
    message = _first(answer.body.get("messages"))
    contact = _first(answer.body.get("contacts"))
    wamid = optional_identifier(message, "id")
    if wamid is None:
        raise MetaUnreachable(
            "Meta accepted without a message id", before_bytes=False, http_status=answer.status
        )
    return SendAccepted(
        wamid=wamid,
        wa_id=optional_identifier(contact, "wa_id", limit=64),
        user_id=optional_identifier(contact, "user_id", limit=160),
        message_status=text(message, "message_status", limit=64) or "accepted",
    )


def path_segment(identifier: str) -> str:
    """An id as one segment of an address, whatever stands in it."""
    return quote(identifier, safe="")


def _first(value: object) -> Json:
    return next(iter(_items(value)), {})


def _items(value: object) -> list[Json]:
    items = objects(value) if isinstance(value, list) else []
    return [item for item in items if isinstance(item, dict)]


def _number_or_text(value: object) -> int | str | None:
    return value if isinstance(value, (int, str)) else None


def _list(values: Sequence[str]) -> str:
    return "[" + ",".join(f'"{value}"' for value in values) + "]"
