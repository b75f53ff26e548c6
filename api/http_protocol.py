"""HTTP as uvicorn reads it, with ends: for the head of a request, its headers, and its time.

uvicorn's reader keeps whatever a client calls a header, and waits for the first line for ever. A
proxy in front has limits of its own (deploy/Caddyfile); these hold without one as well.
"""

import asyncio
import http
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES: Final = 32 * 1024
HEADERS: Final = 100
HEAD_SECONDS: Final = 10.0
#: In the scope of a request: whether its whole body has come, so that nobody needs a clock for it.
BODY_IS_THERE: Final = "carteiro.body_is_there"


class _HeadTooLarge(ValueError):
    """Raised inside the parser, which then gives the request up."""


class BoundedHttp(HttpToolsProtocol):
    """Answers 431 to a head that is too large, 408 to one that is too slow, and closes."""

    _head_bytes = 0
    _part_bytes = 0
    _reads_head = True
    _too_large = False
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_there()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._part_bytes = len(data)
        if self._reads_head:
            # Parts of one header are no header yet: only their sum shows that it never ends.
            self._head_bytes += len(data)
        super().data_received(data)
        if self._reads_head and self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
            self._end(431)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._reads_head = True
        if self._late is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        if len(self.headers) > HEADERS or self._is_head_too_long():
            self._too_large = True
            raise _HeadTooLarge
        self._head_is_there()
        super().on_headers_complete()
        cycle = self.cycle
        # The application starts after this part has been read: mostly the body is there by then.
        self.scope[BODY_IS_THERE] = lambda: not cycle.more_body  # type: ignore[typeddict-unknown-key]

    def _is_head_too_long(self) -> bool:
        if self._head_bytes + self._part_bytes <= HEAD_BYTES:
            return False
        headers = sum(len(name) + len(value) + 4 for name, value in self.headers)
        return len(self.url) + headers > HEAD_BYTES

    def send_400_response(self, msg: str) -> None:
        self._head_is_there()
        if self._too_large:
            self._end(431)
        else:
            super().send_400_response(msg)

    def _await_head(self) -> None:
        self._late = self.loop.call_later(HEAD_SECONDS, self._head_is_late)

    def _head_is_there(self) -> None:
        self._reads_head, self._head_bytes = False, 0
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _head_is_late(self) -> None:
        self._late = None
        if not self.transport.is_closing():
            self._end(408)

    def _end(self, status: int) -> None:
        self._head_is_there()
        phrase = http.HTTPStatus(status).phrase
        self.transport.write(
            f"HTTP/1.1 {status} {phrase}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode()
        )
        self.transport.close()
