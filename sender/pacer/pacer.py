"""One tick of the leading pacer: what may go out now, in which order, on which tickets."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from core.broker.connection import TicketPublisher
from core.broker.envelopes import MAX_MESSAGES, Ticket
from core.clock import utc_now
from core.domain.ids import CampaignId, MessageId, PhoneNumberId, new_id
from core.metrics import PACER_TICK_SECONDS, TICKETS_OUTSTANDING, TICKETS_PUBLISHED
from core.store import pacing
from core.store.database import Connection
from core.store.pacing import SendingNumber
from sender.pacer.catalogue import Catalogue
from sender.pacer.fairness import QUANTUM, SINGLES_QUANTUM, FairShare, Flow
from sender.pacer.feeds import Feed, read_ahead
from sender.pacer.outstanding import Issued, Outstanding
from sender.pacer.scheduling import OUTSTANDING_SECONDS, Workers

_TICKET_SECONDS: Final = 10.0
_NUMBERS_AT_ONCE: Final = 100
_TICKETS_IN_A_PARCEL: Final = 50
_PUBLISHING_SECONDS: Final = 2.0
"""A tick publishes no longer than this: the session of a leader that is silent for 6 s ends."""


class Pacer:
    """Holds what a leader knows; all of it may be lost without losing or doubling a message.

    Everything is read on the session that holds the leader's lock: without the session there is no
    tick, so a pacer that lost its leadership cannot go on by mistake.
    """

    def __init__(self, connection: Connection, publisher: TicketPublisher) -> None:
        """`connection` is in autocommit mode and holds the leader's lock."""
        self._connection = connection
        self._publisher = publisher
        self._catalogue = Catalogue(connection)
        self._singles_turns = FairShare[PhoneNumberId](quantum=SINGLES_QUANTUM)
        self._campaign_turns = FairShare[CampaignId]()
        self._outstanding = Outstanding()
        self._workers = Workers()
        self._busy_with_singles: set[PhoneNumberId] = set()
        self._next_asked = 0
        self._ticked_at = time.monotonic()

    async def tick(self) -> int:
        """Publish what is due; returns how many messages got a ticket. Raises BrokerUnavailable."""
        at = time.monotonic()
        await self._catalogue.refresh(at, outstanding=self._outstanding.of_number)
        await self._settle(at)
        self._catalogue.refill(at)
        issued = await self._publish(await self._choose_singles(at))
        issued += await self._publish(await self._choose_campaigns(at))
        TICKETS_OUTSTANDING.set(self._outstanding.singles + self._outstanding.campaigns)
        PACER_TICK_SECONDS.observe(time.monotonic() - at)
        return issued

    async def _settle(self, at: float) -> None:
        """Learn which tickets were claimed: one message of each stands for it."""
        probes = {
            issued.ticket.message_ids[0]: issued.ticket for issued in self._outstanding.tickets()
        }
        waiting = await pacing.list_still_queued(
            self._connection,
            [
                (ticket.tenant_id, message_id, ticket.issued_at)
                for message_id, ticket in probes.items()
            ],
        )
        taken = 0
        for message_id, ticket in probes.items():
            if message_id not in waiting:
                taken += len(ticket.message_ids)
                self._outstanding.settle(ticket.ticket_id)
        self._outstanding.expire(at)
        self._workers.observe(taken=taken, elapsed=at - self._ticked_at)
        self._ticked_at = at

    async def _choose_singles(self, at: float) -> list[Issued]:
        """Singles go before every campaign; tenants, then their numbers, take turns."""
        room = self._workers.room_for_singles(singles=self._outstanding.singles)
        tokens = {
            number: min(room, self._catalogue.buckets[number].for_singles())
            for number in self._asked_for_singles()
        }
        # What has a ticket stands first in the order and must not hide what has none.
        due = await pacing.list_due_singles(
            self._connection,
            [
                (self._catalogue.numbers[key], free + self._outstanding.singles_of_number(key))
                for key, free in tokens.items()
                if free > 0
            ],
        )
        self._busy_with_singles = set(due)
        waiting = {
            number: [each for each in singles if each.message_id not in self._outstanding]
            for number, singles in due.items()
        }
        flows = [
            Flow(
                key=number,
                tenant_id=self._catalogue.numbers[number].tenant_id,
                waiting=min(len(singles), tokens[number]),
            )
            for number, singles in waiting.items()
            if singles
        ]
        batch: list[Issued] = []
        for key, count in self._singles_turns.share(room, flows, {}).items():
            taken = waiting[key][:count]
            ids = [single.message_id for single in taken]
            requests = [single.request_id for single in taken]
            batch += self._issue(self._catalogue.numbers[key], None, ids, requests, at)
        return batch

    def _asked_for_singles(self) -> list[PhoneNumberId]:
        """Numbers that had singles a tick ago, and some of the others in turn: all in 0.3 s."""
        numbers = list(self._catalogue.numbers)
        group = max(_NUMBERS_AT_ONCE, -(-len(numbers) // 3))
        if self._next_asked >= len(numbers):
            self._next_asked = 0
        asked = numbers[self._next_asked : self._next_asked + group]
        self._next_asked += group
        busy = self._busy_with_singles.intersection(numbers)
        return [*asked, *busy.difference(asked)]

    async def _choose_campaigns(self, at: float) -> list[Issued]:
        """Tenants, then their campaigns, take turns with what the workers can take."""
        room = self._workers.room_for_campaigns(
            singles=self._outstanding.singles, campaigns=self._outstanding.campaigns
        )
        budgets = self._budgets(at)
        ready = self._wanted(room, budgets)
        await read_ahead(self._connection, ready, ticketed=self._outstanding.__contains__, at=at)
        flows = [
            Flow(
                key=feed.campaign.campaign_id,
                tenant_id=feed.campaign.tenant_id,
                waiting=feed.waiting,
                budgets=self._budget_names(feed, budgets),
            )
            for feed, _ in ready
            if feed.waiting
        ]
        batch: list[Issued] = []
        for campaign_id, count in self._campaign_turns.share(room, flows, budgets).items():
            feed = self._catalogue.feeds[campaign_id]
            number = self._catalogue.numbers[feed.campaign.phone_number_id]
            ids = feed.take(count)
            requests = [feed.campaign.request_id] * len(ids)
            batch += self._issue(number, campaign_id, ids, requests, at)
            self._take_head_room(number, count, at)
        return batch

    def _wanted(self, room: int, budgets: dict[str, int]) -> list[tuple[Feed, int]]:
        """The campaigns that may be given something now, and how many ids to have ready of each.

        Those of one number divide its tokens, so each needs a share of them at hand, not all.
        """
        named = [
            (feed, names)
            for feed in self._catalogue.feeds.values()
            if (names := self._budget_names(feed, budgets))
        ]
        sharing = Counter(feed.campaign.phone_number_id for feed, _ in named if not feed.idle)
        wanted = []
        for feed, names in named:
            most = min(room, *(budgets[name] for name in names))
            share = 2 * most // max(1, sharing[feed.campaign.phone_number_id])
            if most > 0:
                wanted.append((feed, min(most, max(QUANTUM, share))))
        return wanted

    def _budgets(self, at: float) -> dict[str, int]:
        """What bounds campaigns: tokens of each number that has saved a piece, and head-room."""
        budgets: dict[str, int] = {}
        for key, number in self._catalogue.numbers.items():
            bucket = self._catalogue.buckets[key]
            room = max(1, int(bucket.rate * OUTSTANDING_SECONDS))
            room -= self._outstanding.of_number(key)
            if room > 0 and bucket.for_singles() >= bucket.piece():
                budgets[f"number/{key}"] = min(room, bucket.for_singles())
            if room > 0 and bucket.for_campaigns() >= bucket.piece():
                budgets[f"unreserved/{key}"] = min(room, bucket.for_campaigns())
            head_room = self._catalogue.head_room.get(number.portfolio_id)
            if head_room is not None:
                budgets[f"portfolio/{number.portfolio_id}"] = head_room.allowance(at)
        return budgets

    def _budget_names(self, feed: Feed, budgets: dict[str, int]) -> tuple[str, ...]:
        """The budgets of a campaign; none at all when its number has nothing to give now."""
        key = feed.campaign.phone_number_id
        number = self._catalogue.numbers.get(key)
        needed = [f"number/{key}"]
        if not feed.campaign.urgent:
            needed.append(f"unreserved/{key}")
        if number is None or not all(name in budgets for name in needed):
            return ()
        portfolio = f"portfolio/{number.portfolio_id}"
        return (*needed, portfolio) if portfolio in budgets else tuple(needed)

    def _take_head_room(self, number: SendingNumber, count: int, at: float) -> None:
        head_room = self._catalogue.head_room.get(number.portfolio_id)
        if head_room is not None:
            head_room.take(count, at)

    def _issue(
        self,
        number: SendingNumber,
        campaign_id: CampaignId | None,
        ids: Sequence[MessageId],
        requests: Sequence[UUID | None],
        at: float,
    ) -> list[Issued]:
        """Tickets for these messages, each asked for by its request; their tokens are spent."""
        now = utc_now()
        self._catalogue.buckets[number.phone_number_id].take(len(ids))
        return [
            Issued(
                ticket=Ticket(
                    ticket_id=new_id(),
                    tenant_id=number.tenant_id,
                    phone_number_id=number.phone_number_id,
                    message_ids=tuple(ids[start : start + MAX_MESSAGES]),
                    issued_at=now,
                    expires_at=now + timedelta(seconds=_TICKET_SECONDS),
                    request_ids=_distinct(requests[start : start + MAX_MESSAGES]),
                ),
                campaign_id=campaign_id,
                expires_at=at + _TICKET_SECONDS,
            )
            for start in range(0, len(ids), MAX_MESSAGES)
        ]

    async def _publish(self, batch: Sequence[Issued]) -> int:
        """Publish in parcels, each confirmed; returns the messages that have a ticket.

        What was not even tried, after an error or for want of time, comes round again at once. The
        parcel at which it broke is in doubt and counts as outstanding until it expires.
        """
        tried = 0

        def publish_all() -> None:
            nonlocal tried
            end = time.monotonic() + _PUBLISHING_SECONDS
            while tried < len(batch) and time.monotonic() < end:
                parcel = [issued.ticket for issued in batch[tried : tried + _TICKETS_IN_A_PARCEL]]
                tried += len(parcel)
                self._publisher.publish(*parcel)
                TICKETS_PUBLISHED.inc(len(parcel))

        if not batch:
            return 0
        try:
            await asyncio.to_thread(publish_all)
        finally:
            for issued in batch[:tried]:
                self._outstanding.add(issued)
            for issued in batch[tried:]:
                key = issued.ticket.phone_number_id
                self._catalogue.buckets[key].take(-len(issued.ticket.message_ids))
        return sum(len(issued.ticket.message_ids) for issued in batch[:tried])


def _distinct(requests: Sequence[UUID | None]) -> tuple[UUID, ...]:
    return tuple(dict.fromkeys(request for request in requests if request is not None))
