"""The pacer's arithmetic, without clock, database or broker: buckets and the workers' capacity.

Time is a number of seconds from a monotonic clock, handed in.
"""

from dataclasses import dataclass
from typing import Final

BURST_SECONDS: Final = 0.5
"""How much unused rate a number may save: half a second, so that Meta sees no burst."""
RESERVED_SHARE: Final = 0.2
"""Campaigns leave a fifth of the bucket to single messages, which thus find tokens at once."""
OUTSTANDING_SECONDS: Final = 1.0
"""Unclaimed work a number may have with the workers; a pause acts at once, a queue stays short."""
PIECE_SECONDS: Final = 0.25
"""Campaigns of a number are served in pieces of this much of its rate, so that a thousand slow
numbers need thousands of tickets a second, not ten thousand."""
DRAINED_SECONDS: Final = 1.0
"""All workers together hold no more unclaimed work than they took in this time."""
LEAST_OUTSTANDING: Final = 200
"""What they may hold before anybody knows how fast they are."""
CAMPAIGNS_SHARE: Final = 0.2
"""Of the workers, what no flood of single messages takes from the campaigns."""
TRICKLE: Final = 20
"""Messages a second of a portfolio without head-room: some need none."""


@dataclass(slots=True, kw_only=True)
class Bucket:
    """Tokens of one number, filled at the rate granted to it."""

    rate: float
    tokens: float = 0.0
    updated_at: float = 0.0

    def refill(self, *, rate: float, at: float) -> None:
        """Add what has grown since; the rate may have changed meanwhile."""
        grown = max(0.0, at - self.updated_at) * rate
        self.rate, self.updated_at = rate, at
        self.tokens = min(self.capacity, self.tokens + grown)

    @property
    def capacity(self) -> float:
        """The most it holds; at least one message, for slow numbers."""
        return max(1.25, self.rate * BURST_SECONDS)

    def for_singles(self) -> int:
        """Tokens a single message may take: all."""
        return int(self.tokens)

    def for_campaigns(self) -> int:
        """Tokens a campaign may take: what lies above the reserve."""
        return max(0, int(self.tokens - RESERVED_SHARE * self.capacity))

    def piece(self) -> int:
        """Messages of campaigns that go out together when as many wait; the bucket can hold it."""
        return max(1, int(self.rate * PIECE_SECONDS))

    def take(self, count: int) -> None:
        """Spend tokens."""
        self.tokens -= count


@dataclass(slots=True)
class Workers:
    """How much the workers may hold, from how much they lately took.

    Takes claims for work done: a worker claims no more than it can send at once.
    """

    _taken_per_second: float = 0.0

    def observe(self, *, taken: int, elapsed: float) -> None:
        """They took so many messages in so many seconds."""
        elapsed = max(elapsed, 0.001)
        self._taken_per_second += min(1.0, elapsed) * (taken / elapsed - self._taken_per_second)

    @property
    def limit(self) -> int:
        """Messages that may wait with them: a second of their work."""
        return max(LEAST_OUTSTANDING, int(self._taken_per_second * DRAINED_SECONDS))

    def room_for_singles(self, *, singles: int) -> int:
        """More singles they may be given: what campaigns have waiting does not keep them out."""
        return max(0, self.limit - singles)

    def room_for_campaigns(self, *, singles: int, campaigns: int) -> int:
        """More of campaigns: what singles leave, and never less than the campaigns' own share."""
        kept = int(self.limit * CAMPAIGNS_SHARE) - campaigns
        return max(0, self.limit - singles - campaigns, kept)


@dataclass(slots=True, kw_only=True)
class HeadRoom:
    """People a limited portfolio may still begin to write to, as last measured.

    A message to somebody already reached, or in an open window, needs no room, and only the claim
    knows which those are: so a trickle goes on when nothing is left. What it may not send the claim
    puts off until there is room, and nobody meets it twice.
    """

    free: int
    trickled_at: float = float("-inf")

    def allowance(self, at: float) -> int:
        """Messages campaigns of this portfolio may be given now."""
        if self.free > 0:
            return self.free
        return TRICKLE if at - self.trickled_at >= 1.0 else 0

    def take(self, count: int, at: float) -> None:
        """So many were given."""
        if self.free <= 0:
            self.trickled_at = at
        self.free = max(0, self.free - count)
