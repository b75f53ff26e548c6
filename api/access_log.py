"""One line, one count and one id for every request; the headers that every answer carries."""

import time
from typing import Final
from uuid import UUID

from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, clear_contextvars

from api.draining import Draining, closing
from api.further_headers import further_headers
from api.metrics import HTTP_REQUESTS, HTTP_SECONDS
from api.request_id import request_id_of
from api.security_headers import SECURITY_HEADERS, of_scheme
from core.correlation import set_request
from core.logs import get_logger

_log = get_logger(__name__)

_NO_STORE: Final = (b"cache-control", b"no-store")
_QUIET: Final = frozenset({"/health/live", "/health/ready", "/health/startup", "/metrics"})


class AccessLog:
    """Gives each request an id, and writes method, route, status and time; never the address.

    The route is the template (`/v1/contacts/{contact_id}`), so neither ids nor anything a client
    may have put into the path reaches a log or a metric.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = scope["request_id"] = request_id_of(scope)
        # Each request is a task of its own: what is bound here ends with it.
        clear_contextvars()
        bind_contextvars(request_id=request_id)
        set_request(UUID(request_id))
        status = 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message["headers"], *further_headers(scope), *of_scheme(scope)]
                message["headers"] = _completed(headers, request_id)
            await send(message)

        draining: Draining = scope["app"].state.draining
        answer = closing(send_with_headers) if draining.is_on else send_with_headers
        try:
            await self._app(scope, receive, answer)
        finally:
            self._record(scope, status, time.perf_counter() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = scope.get("route")
        template = route.path if isinstance(route, APIRoute) else "unmatched"
        method = scope["method"] if scope["method"].isalpha() else "other"
        HTTP_REQUESTS.labels(method=method, route=template, status=str(status)).inc()
        HTTP_SECONDS.labels(method=method, route=template).observe(seconds)
        if template in _QUIET:
            return
        write = _log.warning if status in {401, 403} or status >= 500 else _log.info
        write(
            "request",
            method=method,
            route=template,
            status=status,
            duration_ms=round(seconds * 1000, 1),
        )


def _completed(headers: list[tuple[bytes, bytes]], request_id: str) -> list[tuple[bytes, bytes]]:
    names = {name.lower() for name, _ in headers}
    extra = [header for header in SECURITY_HEADERS if header[0] not in names]
    if b"cache-control" not in names:
        extra.append(_NO_STORE)
    return [*headers, *extra, (b"x-request-id", request_id.encode())]
