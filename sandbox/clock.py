"""The sandbox's time: the wall's until somebody moves it, speeds it up or stops it."""

import time
from typing import Final

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS


class SandboxClock:
    """Simulated milliseconds since 1970, UTC; `speed` of them pass in one real millisecond."""

    def __init__(self) -> None:
        self.offset_ms = 0
        self.speed = 1.0
        self._anchor_wall_ns = time.time_ns()
        self._anchor_ms = self._anchor_wall_ns / 1_000_000

    def now_ms(self) -> int:
        """What time it is here."""
        passed = (time.time_ns() - self._anchor_wall_ns) / 1_000_000
        return int(self._anchor_ms + passed * self.speed) + self.offset_ms

    def set(self, *, at_ms: int | None = None, speed: float | None = None) -> None:
        """Go on from `at_ms` (or from now) at another speed; 0 stands still."""
        now_ms = self.now_ms() if at_ms is None else at_ms
        self._anchor_wall_ns = time.time_ns()
        self._anchor_ms = float(now_ms)
        self.offset_ms = 0
        if speed is not None:
            self.speed = speed

    def real_seconds(self, simulated_ms: float) -> float | None:
        """How long to wait for that much simulated time; None when time stands still."""
        return simulated_ms / 1000 / self.speed if self.speed > 0 else None
