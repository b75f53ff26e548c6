"""Does the broker answer? Asked with the first words of its own protocol, a second at most."""

import asyncio
import ssl
import time
from contextlib import suppress
from typing import Final, Literal
from urllib.parse import urlsplit

Found = Literal["ok", "no_answer", "not_set"]
_PATIENCE_SECONDS: Final = 1.0
#: Probes come every few seconds from several places; the broker needs to hear of one of them.
_FRESH_SECONDS: Final = 2.0
_USUAL_PORTS: Final = {"amqp": 5672, "amqps": 5671, "redis": 6379, "rediss": 6379}
#: The protocol header of AMQP 0-9-1, which a broker answers with a method frame (first byte 1).
_AMQP_HELLO: Final = b"AMQP\x00\x00\x09\x01"
_REDIS_HELLO: Final = b"PING\r\n"


class BrokerLook:
    """Looks at one broker; what it saw holds for two seconds."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self._found: Found = "not_set"
        self._looked_at = float("-inf")

    async def look(self) -> Found:
        """What a broker at the address says; never raises, and never takes longer than a second."""
        if self._url.scheme and time.monotonic() - self._looked_at >= _FRESH_SECONDS:
            answers = False
            with suppress(OSError, TimeoutError, ValueError):
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    answers = await self._answers()
            self._found = "ok" if answers else "no_answer"
            self._looked_at = time.monotonic()
        return self._found

    async def _answers(self) -> bool:
        reader, writer = await self._connect()
        try:
            is_amqp = self._url.scheme.startswith("amqp")
            writer.write(_AMQP_HELLO if is_amqp else _REDIS_HELLO)
            first = await reader.read(1)
            # Redis: +PONG, or -NOAUTH, which is an answer as well.
            return first == b"\x01" if is_amqp else first in {b"+", b"-"}
        finally:
            writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        scheme = self._url.scheme
        if scheme == "redis+socket":
            return await asyncio.open_unix_connection(self._url.path)
        port = self._url.port or _USUAL_PORTS.get(scheme, 5672)
        context = ssl.create_default_context() if scheme in {"amqps", "rediss"} else None
        return await asyncio.open_connection(self._url.hostname, port, ssl=context)
