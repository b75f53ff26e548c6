"""Meta's throughput and pair limits as small state machines; time comes in as seconds."""

from dataclasses import dataclass
from typing import Final

PAIR_INTERVAL_SECONDS: Final = 6.0
PAIR_BURST: Final = 45
_PRUNE_AT: Final = 50_000


class TokenBucket:
    """A number's messages per second: `rate` tokens a second, at most `capacity` saved up."""

    __slots__ = ("_at", "_tokens", "capacity", "rate")

    def __init__(self, *, rate: float, capacity: float, now: float) -> None:
        self.rate = rate
        self.capacity = max(1.0, capacity)
        self._tokens = self.capacity
        self._at = now

    def take(self, now: float) -> bool:
        """Use one token if there is one; a clock that went back adds nothing."""
        self._refill(now)
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def charge(self, now: float) -> None:
        """Use a token that can't be refused (an inbound message counts too); may go below zero."""
        self._refill(now)
        self._tokens = max(self._tokens - 1.0, -self.capacity)

    def _refill(self, now: float) -> None:
        if now > self._at:
            self._tokens = min(self.capacity, self._tokens + (now - self._at) * self.rate)
            self._at = now


@dataclass(slots=True)
class _Pair:
    burst_started: float
    burst_count: int
    paid_until: float


class PairLimiter:
    """One message per 6 s to one user, bursts of up to 45 in 6 s borrowed from the future.

    After a burst of n the next message is allowed 6 n seconds after its first (Meta's page:
    20 at once cost about two minutes).
    """

    def __init__(self) -> None:
        self._pairs: dict[tuple[str, str], _Pair] = {}
        self._prune_at = _PRUNE_AT

    def take(self, pair: tuple[str, str], now: float) -> bool:
        """Allow or refuse one message from a number to a user."""
        state = self._pairs.get(pair)
        if state is None or now >= state.paid_until:
            self._prune(now)
            self._pairs[pair] = _Pair(now, 1, now + PAIR_INTERVAL_SECONDS)
            return True
        in_burst = now - state.burst_started < PAIR_INTERVAL_SECONDS
        if not in_burst or state.burst_count >= PAIR_BURST:
            return False
        state.burst_count += 1
        state.paid_until += PAIR_INTERVAL_SECONDS
        return True

    def clear(self) -> None:
        """Forget every debt."""
        self._pairs.clear()

    def _prune(self, now: float) -> None:
        if len(self._pairs) >= self._prune_at:
            self._pairs = {k: v for k, v in self._pairs.items() if v.paid_until > now}
            self._prune_at = max(_PRUNE_AT, 2 * len(self._pairs))
