"""A process that is about to end: it says so first, and ends when nobody counts on it any more."""

import time
from typing import Final

from starlette.types import Message, Send

_CLOSE: Final = (b"connection", b"close")


class Draining:
    """Whether the process drains, and since when."""

    def __init__(self) -> None:
        self._began_at: float | None = None

    @property
    def is_on(self) -> bool:
        return self._began_at is not None

    def begin(self) -> None:
        """From now on `/health/ready` is 503 and every answer ends its connection."""
        if self._began_at is None:
            self._began_at = time.monotonic()

    def lasts(self) -> float:
        """Seconds since it began; 0 before."""
        return 0.0 if self._began_at is None else time.monotonic() - self._began_at


def closing(send: Send) -> Send:
    """`send`, with `Connection: close` in the answer: the client's next request goes elsewhere."""

    async def send_and_close(message: Message) -> None:
        if message["type"] == "http.response.start":
            others = [each for each in message["headers"] if each[0].lower() != _CLOSE[0]]
            message = {**message, "headers": [*others, _CLOSE]}
        await send(message)

    return send_and_close
