"""Tickets the workers may still have, counted; without clock, database or broker."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from core.broker.envelopes import Ticket
from core.domain.ids import CampaignId, MessageId, PhoneNumberId


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A ticket the workers may still have; singles have no campaign."""

    ticket: Ticket
    campaign_id: CampaignId | None
    expires_at: float


@dataclass(slots=True)
class Outstanding:
    """Tickets that were issued and, as far as we know, not yet claimed. Lost with the process."""

    singles: int = 0
    campaigns: int = 0
    _tickets: dict[UUID, Issued] = field(default_factory=dict)
    _by_number: dict[PhoneNumberId, int] = field(default_factory=dict)
    _singles_by_number: dict[PhoneNumberId, int] = field(default_factory=dict)
    _messages: set[MessageId] = field(default_factory=set)

    def __contains__(self, message_id: object) -> bool:
        """Whether a message has a ticket already."""
        return message_id in self._messages

    def add(self, issued: Issued) -> None:
        """Remember a ticket that was published."""
        self._tickets[issued.ticket.ticket_id] = issued
        self._messages.update(issued.ticket.message_ids)
        self._count(issued, len(issued.ticket.message_ids))

    def settle(self, ticket_id: UUID) -> None:
        """Forget a ticket: its messages were claimed, or it never was."""
        issued = self._tickets.pop(ticket_id, None)
        if issued:
            self._messages.difference_update(issued.ticket.message_ids)
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

    def of_number(self, phone_number_id: PhoneNumberId) -> int:
        """Messages of a number that wait for a worker."""
        return self._by_number.get(phone_number_id, 0)

    def singles_of_number(self, phone_number_id: PhoneNumberId) -> int:
        """Singles of a number that wait for a worker."""
        return self._singles_by_number.get(phone_number_id, 0)

    def _count(self, issued: Issued, change: int) -> None:
        number = issued.ticket.phone_number_id
        _change(self._by_number, number, change)
        if issued.campaign_id is None:
            self.singles += change
            _change(self._singles_by_number, number, change)
        else:
            self.campaigns += change


def _change(counts: dict[PhoneNumberId, int], number: PhoneNumberId, change: int) -> None:
    counts[number] = counts.get(number, 0) + change
    if counts[number] == 0:
        del counts[number]
