"""Where the present comes from: the one place that reads the machine's clock."""

from datetime import UTC, datetime, timedelta
from typing import Protocol


def utc_now() -> datetime:
    """The present instant, aware, in UTC."""
    return datetime.now(UTC)


class Clock(Protocol):
    """Anything that can say what time it is; rules take one instead of reading the machine's."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        return utc_now()


class FixedClock:
    """A clock that stands still until it is told to move; for tests and simulated time."""

    def __init__(self, at: datetime) -> None:
        """Start at `at`, which must be aware."""
        self._at = _require_aware(at)

    def now(self) -> datetime:
        """The instant the clock was last set to, in UTC."""
        return self._at

    def advance(self, delta: timedelta) -> datetime:
        """Move by `delta`, backwards too (a corrected clock does); returns the new time."""
        self._at += delta
        return self._at

    def set(self, at: datetime) -> None:
        """Jump to `at`, which must be aware."""
        self._at = _require_aware(at)


def _require_aware(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("a clock needs an aware datetime")
    return at.astimezone(UTC)
