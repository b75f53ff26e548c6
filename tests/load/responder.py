"""A bare Cloud API: takes a send, answers with a wamid, does nothing else.

    python -m tests.load.responder PORT [CERTIFICATE KEY]

Raw asyncio, no framework, so that what is measured is the sender. GET /count says how many sends it
took.
"""

import asyncio
import ssl
import sys
from typing import Final, cast

import uvloop

_HEAD_END: Final = b"\r\n\r\n"


class Responder(asyncio.Protocol):
    """One connection, kept alive; requests may come in pieces or several at once."""

    taken = 0

    def __init__(self) -> None:
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (head_end := self._buffer.find(_HEAD_END)) >= 0:
            head = self._buffer[:head_end]
            body_start = head_end + len(_HEAD_END)
            end = body_start + _content_length(head)
            if len(self._buffer) < end:
                return
            body, self._buffer = self._buffer[body_start:end], self._buffer[end:]
            self._transport.write(_answer(head, body))


def _answer(head: bytes, body: bytes) -> bytes:
    if head.startswith(b"GET"):
        said = b'{"count":%d}' % Responder.taken
    else:
        Responder.taken += 1
        to = _address(body)
        said = (
            b'{"messaging_product":"whatsapp","contacts":[{"input":"%b","wa_id":"%b"}],'
            b'"messages":[{"id":"wamid.HBgNNTUxMTk5OTk5OTk5ORUCABEYEj%020d","message_status":'
            b'"accepted"}]}' % (to, to[1:], Responder.taken)
        )
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=UTF-8\r\n"
        b"facebook-api-version: v26.0\r\nConnection: keep-alive\r\nContent-Length: %d\r\n\r\n%b"
        % (len(said), said)
    )


def _content_length(head: bytes) -> int:
    at = head.lower().find(b"\r\ncontent-length:")
    if at < 0:
        return 0
    value = head[at + 17 :].split(b"\r\n", 1)[0]
    return int(value)


def _address(body: bytes) -> bytes:
    """The value of "to", whether or not its writer put a blank before it."""
    start = body.find(b'"+', body.find(b'"to"')) + 1
    return body[start : body.find(b'"', start)]


async def _serve(port: int, certificate: tuple[str, str] | None) -> None:
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        Responder, "127.0.0.1", port, ssl=context, backlog=1024, reuse_address=True
    )
    await server.serve_forever()


if __name__ == "__main__":
    files = (sys.argv[2], sys.argv[3]) if len(sys.argv) == 4 else None
    uvloop.run(_serve(int(sys.argv[1]), files))
