"""The pacer's arithmetic, without clock, database or broker: buckets, fairness, outstanding work.

Time is a number of seconds from a monotonic clock, handed in.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from core.broker.envelopes import Ticket
from core.domain.ids import CampaignId

BURST_SECONDS: Final = 0.5
"""How much unused rate a number may save: half a second, so that Meta sees no burst."""
RESERVED_SHARE: Final = 0.2
"""Campaigns leave a fifth of the bucket to single messages, which thus find tokens at once."""
OUTSTANDING_SECONDS: Final = 1.0
"""Unclaimed work a number may have with the workers; a pause acts at once, a queue stays short."""
_QUANTUM: Final = 20


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

    def take(self, count: int) -> None:
        """Spend tokens."""
        self.tokens -= count


@dataclass(slots=True)
class RoundRobin:
    """Turns of one quantum each over the campaigns of one number, carried on from call to call.

    A message costs one token whoever sends it, so deficit round robin needs no more than to
    remember whose turn it is and what is left of it.
    """

    _order: deque[CampaignId] = field(default_factory=deque)
    _left_of_turn: int = _QUANTUM

    def share(self, tokens: int, waiting: Mapping[CampaignId, int]) -> dict[CampaignId, int]:
        """Divide `tokens` over the campaigns that have messages waiting."""
        self._keep(waiting)
        shares = dict.fromkeys(waiting, 0)
        left = min(tokens, sum(waiting.values()))
        while left > 0:
            campaign = self._order[0]
            wanted = waiting[campaign] - shares[campaign]
            given = min(left, wanted, self._left_of_turn)
            shares[campaign] += given
            left -= given
            self._left_of_turn -= given
            if self._left_of_turn == 0 or given == wanted:
                self._order.rotate(-1)
                self._left_of_turn = _QUANTUM
        return {campaign: count for campaign, count in shares.items() if count}

    def _keep(self, waiting: Mapping[CampaignId, int]) -> None:
        if self._order and self._order[0] not in waiting:
            self._left_of_turn = _QUANTUM
        known = [campaign for campaign in self._order if campaign in waiting]
        self._order = deque([*known, *(campaign for campaign in waiting if campaign not in known)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A ticket the workers may still have."""

    ticket: Ticket
    campaign_id: CampaignId | None
    expires_at: float


@dataclass(slots=True)
class Outstanding:
    """Tickets that were issued and, as far as we know, not yet claimed. Lost with the process."""

    _tickets: dict[UUID, Issued] = field(default_factory=dict)
    _by_number: dict[str, int] = field(default_factory=dict)
    _by_campaign: dict[CampaignId, int] = field(default_factory=dict)

    def add(self, issued: Issued) -> None:
        """Remember a ticket that was published."""
        self._tickets[issued.ticket.ticket_id] = issued
        self._count(issued, len(issued.ticket.message_ids))

    def settle(self, ticket_id: UUID) -> None:
        """Forget a ticket: its messages were claimed."""
        issued = self._tickets.pop(ticket_id, None)
        if issued:
            self._count(issued, -len(issued.ticket.message_ids))

    def expire(self, at: float) -> int:
        """Forget tickets that no worker takes any more; returns how many."""
        late = [key for key, issued in self._tickets.items() if issued.expires_at <= at]
        for key in late:
            self.settle(key)
        return len(late)

    def tickets(self) -> Iterable[Issued]:
        """All of them."""
        return list(self._tickets.values())

    def of_number(self, phone_number_id: str) -> int:
        """Messages of a number that wait for a worker."""
        return self._by_number.get(phone_number_id, 0)

    def of_campaign(self, campaign_id: CampaignId) -> int:
        """Messages of a campaign that wait for a worker."""
        return self._by_campaign.get(campaign_id, 0)

    def total(self) -> int:
        """Messages of all numbers that wait for a worker."""
        return sum(self._by_number.values())

    def message_ids(self) -> set[UUID]:
        """Singles that have a ticket already."""
        return {
            message_id
            for issued in self._tickets.values()
            if issued.campaign_id is None
            for message_id in issued.ticket.message_ids
        }

    def _count(self, issued: Issued, change: int) -> None:
        number = issued.ticket.phone_number_id
        self._by_number[number] = self._by_number.get(number, 0) + change
        if self._by_number[number] == 0:
            del self._by_number[number]
        campaign = issued.campaign_id
        if campaign is not None:
            self._by_campaign[campaign] = self._by_campaign.get(campaign, 0) + change
            if self._by_campaign[campaign] == 0:
                del self._by_campaign[campaign]
