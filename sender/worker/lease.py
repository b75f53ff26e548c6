"""Until when a claimed message may be sent, by our own clocks."""

import time
from datetime import timedelta

from core.clock import utc_now


class TooLate(Exception):
    """The claim ends before an answer could come; no byte has left."""


class LatestStart:
    """The last moment at which a call may begin and still end within its lease.

    Asked of two clocks: the monotonic one stands still while a machine sleeps, and the wall's may
    be set back. Whichever says that it is over is believed: the message only goes to another.
    """

    def __init__(self, seconds: float) -> None:
        """`seconds` from now."""
        self._monotonic = time.monotonic() + seconds
        self._wall = utc_now() + timedelta(seconds=seconds)

    def is_over(self) -> bool:
        """Whether it has passed."""
        return time.monotonic() >= self._monotonic or utc_now() >= self._wall
