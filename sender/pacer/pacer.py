"""One tick of the leading pacer: what may go out now, in which order, on which tickets."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from core.broker.connection import TicketPublisher
from core.broker.envelopes import MAX_MESSAGES, Ticket
from core.clock import utc_now
from core.domain.ids import CampaignId, MessageId, PhoneNumberId, TenantId, new_id
from core.metrics import TICKETS_PUBLISHED
from core.store import pacing
from core.store.database import Connection
from core.store.pacing import SendingNumber
from sender.pacer.feeds import Feed
from sender.pacer.scheduling import (
    OUTSTANDING_SECONDS,
    Bucket,
    Issued,
    Outstanding,
    RoundRobin,
)

_TICKET_SECONDS: Final = 10.0
_CATALOGUE_SECONDS: Final = 0.5
_GRANT_SECONDS: Final = 1.0
_SINGLES_A_NUMBER: Final = 200
_LEAST_OUTSTANDING: Final = 1_000
_DRAIN_SECONDS: Final = 1.5


class Pacer:
    """Holds what a leader knows; all of it may be lost without losing or doubling a message.

    Everything is read on the session that holds the leader's lock: without the session there is no
    tick, so a pacer that lost its leadership cannot go on by mistake.
    """

    def __init__(self, connection: Connection, publisher: TicketPublisher) -> None:
        """`connection` is in autocommit mode and holds the leader's lock."""
        self._connection = connection
        self._publisher = publisher
        self._numbers: list[SendingNumber] = []
        self._feeds: dict[CampaignId, Feed] = {}
        self._buckets: dict[PhoneNumberId, Bucket] = {}
        self._turns: dict[PhoneNumberId, RoundRobin] = defaultdict(RoundRobin)
        self._outstanding = Outstanding()
        self._catalogue_at = float("-inf")
        self._grants_at = float("-inf")
        self._drained_per_second = 0.0
        self._ticked_at = time.monotonic()
        self._first_number = 0

    async def tick(self) -> int:
        """Publish what is due; returns how many messages got a ticket. Raises BrokerUnavailable."""
        at = time.monotonic()
        await self._refresh(at)
        await self._settle(at)
        issued = await self._issue_singles(at)
        issued += await self._issue_campaigns(at)
        return issued

    async def _refresh(self, at: float) -> None:
        """Read who may send, and raise throttled grants."""
        if at - self._grants_at >= _GRANT_SECONDS:
            self._grants_at = at
            await pacing.raise_grants(self._connection)
        if at - self._catalogue_at < _CATALOGUE_SECONDS:
            return
        self._catalogue_at = at
        self._numbers = await pacing.list_numbers(self._connection)
        running = await pacing.list_running_campaigns(self._connection)
        self._feeds = {
            campaign.campaign_id: self._feeds.get(campaign.campaign_id) or Feed(campaign=campaign)
            for campaign in running
        }
        for number in self._numbers:
            rate = float(number.granted_per_second)
            bucket = self._buckets.setdefault(
                number.phone_number_id, Bucket(rate=rate, updated_at=at)
            )
            bucket.refill(rate=rate, at=at)

    async def _settle(self, at: float) -> None:
        """Learn which tickets were claimed: one message of each stands for it."""
        probes = {
            issued.ticket.message_ids[0]: issued.ticket for issued in self._outstanding.tickets()
        }
        waiting = await pacing.list_still_queued(
            self._connection,
            [(ticket.tenant_id, message_id) for message_id, ticket in probes.items()],
        )
        claimed = 0
        for message_id, ticket in probes.items():
            if message_id not in waiting:
                claimed += len(ticket.message_ids)
                self._outstanding.settle(ticket.ticket_id)
        self._outstanding.expire(at)
        elapsed = max(at - self._ticked_at, 0.001)
        self._ticked_at = at
        weight = min(1.0, elapsed)
        self._drained_per_second += weight * (claimed / elapsed - self._drained_per_second)

    async def _issue_singles(self, at: float) -> int:
        singles = await pacing.list_queued_singles(self._connection, limit=_SINGLES_A_NUMBER)
        known = self._outstanding.message_ids()
        by_number: dict[tuple[TenantId, PhoneNumberId], list[MessageId]] = defaultdict(list)
        for single in singles:
            if single.message_id not in known:
                by_number[(single.tenant_id, single.phone_number_id)].append(single.message_id)
        issued = 0
        for number in self._numbers:
            ids = by_number.get((number.tenant_id, number.phone_number_id))
            if ids:
                bucket = self._refilled(number, at)
                issued += await self._publish(number, None, ids[: bucket.for_singles()], at)
        return issued

    async def _issue_campaigns(self, at: float) -> int:
        by_number: dict[PhoneNumberId, list[Feed]] = defaultdict(list)
        for feed in self._feeds.values():
            by_number[feed.campaign.phone_number_id].append(feed)
        issued = 0
        for number in self._rotated():
            feeds = by_number.get(number.phone_number_id)
            room = self._room(number)
            if feeds and room > 0:
                bucket = self._refilled(number, at)
                tokens = min(bucket.for_campaigns(), room)
                issued += await self._issue_number(number, feeds, tokens, at)
        return issued

    async def _issue_number(
        self, number: SendingNumber, feeds: Sequence[Feed], tokens: int, at: float
    ) -> int:
        if tokens <= 0:
            return 0
        waiting: dict[CampaignId, int] = {}
        for feed in feeds:
            campaign_id = feed.campaign.campaign_id
            count = await feed.prepare(
                self._connection,
                wanted=tokens,
                outstanding=self._outstanding.of_campaign(campaign_id),
                at=at,
            )
            if count:
                waiting[campaign_id] = count
        issued = 0
        shares = self._turns[number.phone_number_id].share(tokens, waiting)
        for campaign_id, count in shares.items():
            ids = self._feeds[campaign_id].take(count)
            issued += await self._publish(number, campaign_id, ids, at)
        return issued

    async def _publish(
        self,
        number: SendingNumber,
        campaign_id: CampaignId | None,
        ids: Sequence[MessageId],
        at: float,
    ) -> int:
        for start in range(0, len(ids), MAX_MESSAGES):
            now = utc_now()
            ticket = Ticket(
                ticket_id=new_id(),
                tenant_id=number.tenant_id,
                phone_number_id=number.phone_number_id,
                message_ids=tuple(ids[start : start + MAX_MESSAGES]),
                issued_at=now,
                expires_at=now + timedelta(seconds=_TICKET_SECONDS),
            )
            self._buckets[number.phone_number_id].take(len(ticket.message_ids))
            # In doubt after an error, like any publish: counted as outstanding until it expires.
            self._outstanding.add(
                Issued(ticket=ticket, campaign_id=campaign_id, expires_at=at + _TICKET_SECONDS)
            )
            await asyncio.to_thread(self._publisher.publish, ticket)
            TICKETS_PUBLISHED.inc()
        return len(ids)

    def _refilled(self, number: SendingNumber, at: float) -> Bucket:
        bucket = self._buckets[number.phone_number_id]
        bucket.refill(rate=float(number.granted_per_second), at=at)
        return bucket

    def _room(self, number: SendingNumber) -> int:
        """Messages that may still wait for a worker: a second of this number's rate, and in all no
        more than the workers have lately drained in a second and a half."""
        rate = float(number.granted_per_second)
        own = max(1, int(rate * OUTSTANDING_SECONDS)) - self._outstanding.of_number(
            number.phone_number_id
        )
        limit = max(_LEAST_OUTSTANDING, int(self._drained_per_second * _DRAIN_SECONDS))
        return min(own, limit - self._outstanding.total())

    def _rotated(self) -> list[SendingNumber]:
        """The numbers, beginning each time with another, so that none is always last."""
        if not self._numbers:
            return []
        self._first_number = (self._first_number + 1) % len(self._numbers)
        return [*self._numbers[self._first_number :], *self._numbers[: self._first_number]]
