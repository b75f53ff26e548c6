"""Whether Meta answers one number: when it does not, the number rests. Pure arithmetic.

A call that ends without an answer may have been processed, so each puts a message in doubt. When
more than half of the last calls end so, the next ones would only add doubts: they wait instead.
After the rest one message goes ahead, alone; its end decides for the others.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

LAST_CALLS: Final = 50
FEWEST_CALLS: Final = 20
WINDOW_SECONDS: Final = 60.0
"""Calls that ended longer ago say nothing about now."""
FIRST_REST_SECONDS: Final = 5
LONGEST_REST_SECONDS: Final = 120
_REPORT_SECONDS: Final = 60.0


@dataclass(slots=True, kw_only=True)
class Weather:
    """The last calls of one number; times are seconds of a monotonic clock."""

    _calls: deque[tuple[float, bool]] = field(default_factory=lambda: deque(maxlen=LAST_CALLS))
    _rests: int = 0
    _until: float = float("-inf")
    _probing: bool = False
    _fair_told_at: float = float("-inf")
    _rest_untold: int | None = None
    _fair_untold: bool = False

    def allow(self, at: float) -> int | None:
        """How many messages may begin now; None: any number. 1 is a probe: end it."""
        if not self._rests:
            return None
        if at < self._until or self._probing:
            return 0
        self._probing = True
        return 1

    def end_probe(self) -> None:
        """The message that went ahead has its end, or there was none to send."""
        self._probing = False

    def is_resting(self, at: float) -> bool:
        """Whether a call that has not begun must not begin."""
        return at < self._until

    def observe(self, *, answered: bool, began_at: float, at: float) -> None:
        """Count one call. One that began before the rest ended says nothing about afterwards."""
        if self._rests:
            if began_at < self._until:
                return
            if not answered:
                self._rest(at)
                return
            self._rests, self._fair_told_at = 0, float("-inf")
            self._calls.clear()
        self._calls.append((at, answered))
        if answered:
            self._fair_untold |= at - self._fair_told_at >= _REPORT_SECONDS
            return
        recent = [heard for ended_at, heard in self._calls if ended_at > at - WINDOW_SECONDS]
        if len(recent) >= FEWEST_CALLS and 2 * sum(recent) < len(recent):
            self._rest(at)

    def take_rest(self) -> int | None:
        """The seconds of a rest that nobody was told of yet."""
        seconds, self._rest_untold = self._rest_untold, None
        return seconds

    def take_fair(self, at: float) -> bool:
        """Whether to tell that Meta answers: after a rest, at first, and once a minute.

        Another worker that told of an outage may be gone, so that only others can end its alert.
        """
        fair, self._fair_untold = self._fair_untold, False
        if fair:
            self._fair_told_at = at
        return fair and not self._rests

    def _rest(self, at: float) -> None:
        seconds = rest_seconds(self._rests)
        self._rests += 1
        self._until = at + seconds
        self._rest_untold, self._fair_untold = seconds, False


def rest_seconds(rests: int) -> int:
    """How long to rest after so many rests in a row: 5, 10, 20, 40, 80, 120, 120 ..."""
    return int(min(FIRST_REST_SECONDS * 2 ** min(rests, 10), LONGEST_REST_SECONDS))
