"""The short way of POST /{number}/messages: from bytes to bytes, past framework and ASGI.

A load run sends the same head thousands of times: token, number and length of a head are read once
and found again by its exact bytes. Whatever isn't a plain whole send (another path, chunks, an
`Expect`) goes to uvicorn as if this module weren't there.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import parse_qs

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HEADS_KEPT: Final = 4096
_HEAD_LIMIT: Final = 16 * 1024
_BODY_LIMIT: Final = 1024 * 1024
_END: Final = b"\r\n\r\n"
_SENDS: Final = b"/messages HTTP/1.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What the head of a send says; `size` is the head's own length with its empty line."""

    number_id: str
    version: str | None
    token: str | None
    content_length: int
    size: int


class Answer(Protocol):
    """Who answers a send: the bytes of the whole HTTP response, or how to end without one."""

    def __call__(self, head: Head, body: bytes) -> "bytes | Spoiled":
        """Answer one send."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoiled:
    """Wait, write what there is, and cut the connection or keep it; the fault of an answer."""

    after_seconds: float = 0.0
    response: bytes = b""
    cut: bool = False


class ExpressProtocol(HttpToolsProtocol):
    """Uvicorn's protocol with the short way before it; `config.app` brings `answer_send`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._answer: Answer = self.config.app.answer_send  # type: ignore[union-attr]
        self._heads: dict[bytes, Head | None] = _HEADS
        self._held = b""
        self._waiting: asyncio.TimerHandle | None = None
        self._begun = 0
        self._whole = 0

    def on_message_begin(self) -> None:
        """Uvicorn starts to read a request: the short way is closed until it is answered."""
        self._begun += 1
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """Uvicorn has read a request to its end."""
        self._whole += 1
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Answer every whole send in `data`; keep a piece of one; give the rest to uvicorn."""
        if self._held:
            data = self._held + data
            self._held = b""
        if self._waiting is not None or self.transport.is_closing():
            self._held = data
            return
        if not self._idle():
            super().data_received(data)
            return
        self._serve(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client left; an answer that was still to come is dropped."""
        if self._waiting is not None:
            self._waiting.cancel()
        super().connection_lost(exc)

    def _idle(self) -> bool:
        if self._begun != self._whole:
            return False
        return self._begun == 0 or (self.cycle.response_complete and not self.pipeline)

    def _serve(self, data: bytes) -> None:
        answers: list[bytes] = []
        start = 0
        while start < len(data):
            found = self._next_send(data, start)
            if found is None:
                break
            head, body = found
            start += head.size + head.content_length
            answer = self._answer(head, body)
            if isinstance(answer, bytes):
                answers.append(answer)
                continue
            self._held = data[start:]
            self._write(answers)
            self._spoil(answer)
            return
        self._write(answers)
        rest = data[start:]
        if rest and _may_become_a_send(rest):
            self._held = rest
        elif rest:
            super().data_received(rest)

    def _write(self, answers: list[bytes]) -> None:
        if answers:
            self._unset_keepalive_if_required()
            self.transport.write(b"".join(answers))

    def _next_send(self, data: bytes, start: int) -> tuple[Head, bytes] | None:
        end = data.find(_END, start, start + _HEAD_LIMIT)
        if end < 0:
            return None
        raw = data[start : end + 4]
        try:
            head = self._heads[raw]
        except KeyError:
            head = self._remember(raw)
        if head is None or len(data) < end + 4 + head.content_length:
            return None
        return head, data[end + 4 : end + 4 + head.content_length]

    def _remember(self, raw: bytes) -> Head | None:
        if len(self._heads) >= _HEADS_KEPT:
            self._heads.clear()
        head = self._heads[raw] = read_head(raw)
        return head

    def _spoil(self, answer: Spoiled) -> None:
        loop = asyncio.get_running_loop()
        self._waiting = loop.call_later(answer.after_seconds, self._end_wait, answer)

    def _end_wait(self, answer: Spoiled) -> None:
        self._waiting = None
        if answer.cut and not answer.response:
            self.transport.abort()
            return
        self.transport.write(answer.response)
        if answer.cut:
            self.transport.close()
        elif self._held:
            self.data_received(b"")


_HEADS: dict[bytes, Head | None] = {}


def read_head(raw: bytes) -> Head | None:
    """The head of a plain send, or None when uvicorn shall read it."""
    first, *lines = raw[:-4].split(b"\r\n")
    if not first.startswith(b"POST /") or not first.endswith(b" HTTP/1.1"):
        return None
    path, _, query = first[5:-9].decode("latin-1").partition("?")
    parts = [part for part in path.split("/") if part]
    version = parts.pop(0) if parts and parts[0][:1] == "v" and parts[0][1:2].isdigit() else None
    if len(parts) != 2 or parts[1] != "messages" or "%" in path:
        return None
    headers = {}
    for line in lines:
        name, _, value = line.partition(b":")
        headers[name.strip().lower()] = value.strip()
    length = headers.get(b"content-length", b"")
    odd = headers.keys() & {b"transfer-encoding", b"expect", b"upgrade", b"content-encoding"}
    closing = headers.get(b"connection", b"").lower() == b"close"
    if odd or closing or not length.isdigit() or int(length) > _BODY_LIMIT:
        return None
    scheme, _, bearer = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    token = bearer.strip() if scheme.lower() == "bearer" else ""
    token = token or next(iter(parse_qs(query).get("access_token", [])), "")
    return Head(
        number_id=parts[0],
        version=version,
        token=token or None,
        content_length=int(length),
        size=len(raw),
    )


def _may_become_a_send(data: bytes) -> bool:
    """True for the beginning of a send whose other bytes are still on their way."""
    if not data.startswith(b"POST /"[: len(data)]) or len(data) > _HEAD_LIMIT + _BODY_LIMIT:
        return False
    end = data.find(_END, 0, _HEAD_LIMIT)
    if end >= 0:
        return read_head(data[: end + 4]) is not None
    line = data.find(b"\r\n")
    plain = _SENDS in data[:line] or b"/messages?" in data[:line]
    return (line < 0 or plain) and len(data) < _HEAD_LIMIT
