"""The notifier: claims what is due, posts it, records what became of it.

A delivery never waits in memory for its time: the queue holds when it is due, and a claim is a
lease. What is in memory is under way or next in its endpoint's lane, and its slot is free again
only when its outcome is recorded: a database that is away stops the claims by itself.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

import aiohttp

from core.clock import Clock, SystemClock
from core.logs import get_logger
from core.metrics import (
    WEBHOOK_ATTEMPTS,
    WEBHOOK_EVENTS,
    WEBHOOK_OLDEST_DUE_SECONDS,
    WEBHOOK_SECONDS,
)
from core.secrets import DecryptionFailed
from core.settings import Settings
from core.store import deliveries
from core.store.database import Connection, Pool, platform_transaction
from core.store.deliveries import Attempt, Claimed, EndpointChange, EndpointKey, Target
from core.store.endpoints import open_secret
from sender.consequences import open_alert
from sender.notifier.calls import Answer, post
from sender.notifier.lanes import Lanes
from sender.notifier.retries import LONGEST_WISH_SECONDS, next_try
from sender.notifier.shares import Limits, share_out

LEASE_MARGIN_SECONDS: Final = 45
"""A lease is the call's whole timeout and this: time to record, also when the database is slow."""
TOLD_AFTER_FAILURES: Final = 4
_CLAIM_AT_ONCE: Final = 100
_RECORD_AT_ONCE: Final = 500
_READ_AT_ONCE: Final = 2_000
_DAY_SECONDS: Final = 86_400
_log = get_logger(__name__)


class Notifier:
    """The work of one process; every method is one round, to be repeated."""

    def __init__(
        self,
        settings: Settings,
        pool: Pool,
        session: aiohttp.ClientSession,
        *,
        clock: Clock | None = None,
    ) -> None:
        """`session` must be a guarded one (core.outgoing)."""
        self._settings = settings
        self._rules = settings.destination_rules()
        self._pool = pool
        self._session = session
        self._clock = clock or SystemClock()
        self._limits = Limits(
            in_flight=settings.webhook_max_in_flight, endpoint=settings.webhook_endpoint_concurrency
        )
        self._lanes = Lanes(settings.webhook_endpoint_concurrency)
        #: Claims of each endpoint that are not recorded yet: called, waiting or answered.
        self._in_flight = Counter[EndpointKey]()
        self._ailing: set[EndpointKey] = set()
        self._calls: set[asyncio.Task[None]] = set()
        self._outcomes: list[Attempt] = []
        self._untried: list[Claimed] = []
        self._has_outcomes = asyncio.Event()
        self._has_room = asyncio.Event()

    async def tell(self, *, always: bool = False) -> int:
        """Queue what message events say; returns how many were taken up.

        When nobody listens nothing is read or written, but `always` moves the cursor: who begins
        to listen tomorrow doesn't wait while today's events are passed over.
        """
        async with platform_transaction(self._pool) as connection:
            if not always and not await deliveries.has_listeners(connection):
                return 0
            told = await deliveries.tell_message_events(connection, limit=_READ_AT_ONCE)
        WEBHOOK_EVENTS.inc(told)
        return told

    async def claim(self) -> int:
        """Take what is due into the lanes, as far as there is room; returns how many."""
        self._has_room.clear()
        self._give_back(self._lanes.give_back_stale())
        if self._limits.in_flight <= self._in_flight.total():
            return 0
        async with platform_transaction(self._pool) as connection:
            claimed, targets = await self._take(connection)
        for each in claimed:
            self._in_flight[each.tenant_id, each.endpoint_id] += 1
        work = ((each, targets.get((each.tenant_id, each.endpoint_id))) for each in claimed)
        for key in self._lanes.add(work):
            self._fill(key)
        return len(claimed)

    async def record(self) -> int:
        """Record the outcomes there are, many in one transaction; returns how many."""
        batch, untried = self._outcomes[:_RECORD_AT_ONCE], self._untried[:_RECORD_AT_ONCE]
        if not batch and not untried:
            return 0
        async with platform_transaction(self._pool) as connection:
            ended = await self._record(connection, batch) if batch else []
            if untried:
                await deliveries.return_deliveries(connection, untried)
        # Only now: what could not be recorded is recorded in the next round.
        del self._outcomes[: len(batch)]
        del self._untried[: len(untried)]
        if not self._outcomes and not self._untried:
            self._has_outcomes.clear()
        for claim in untried:
            self._release((claim.tenant_id, claim.endpoint_id))
        for attempt in batch:
            self._release((attempt.claimed.tenant_id, attempt.claimed.endpoint_id))
            WEBHOOK_ATTEMPTS.labels(_outcome(attempt)).inc()
            WEBHOOK_SECONDS.observe(attempt.duration_ms / 1_000)
        self._has_room.set()
        for change in ended:
            _log.warning(
                "a webhook endpoint was switched off",
                tenant_id=change.tenant_id,
                reason=change.disabled_reason,
            )
        return len(batch) + len(untried)

    async def upkeep(self) -> int:
        """End what waits for nobody, and keep up with events nobody listens to."""
        await self.tell(always=True)
        async with platform_transaction(self._pool) as connection:
            return await deliveries.drop_unwanted(connection)

    async def housekeeping(self) -> None:
        """What is needed once an hour: partitions, and ends of what nobody could try."""
        async with platform_transaction(self._pool) as connection:
            await deliveries.drop_overdue(connection)
        async with platform_transaction(self._pool) as connection:
            await deliveries.keep_partitions(
                connection, days_ahead=self._settings.partition_days_ahead
            )

    async def finish(self, seconds: float) -> None:
        """End: wait for calls under way, record what is known, give back what was not tried.

        The leases of the others run out.
        """
        self._give_back(self._lanes.give_back_all())
        if self._calls:
            await asyncio.wait(set(self._calls), timeout=seconds)
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        while await self.record():
            continue

    async def wait_for_outcomes(self) -> None:
        """Until there is something to record."""
        await self._has_outcomes.wait()

    async def wait_for_room(self) -> None:
        """Until a slot has become free since the last claim."""
        await self._has_room.wait()

    @property
    def busy(self) -> int:
        """Claims that are called, wait for their call, or are not yet recorded."""
        return self._in_flight.total()

    async def _take(
        self, connection: Connection
    ) -> tuple[list[Claimed], Mapping[EndpointKey, Target]]:
        due = await deliveries.list_due_endpoints(connection, most=self._limits.tenant)
        oldest = min((each.oldest_due_at for each in due), default=None)
        age = (self._clock.now() - oldest).total_seconds() if oldest else 0.0
        WEBHOOK_OLDEST_DUE_SECONDS.set(max(0.0, age))
        self._ailing = {(each.tenant_id, each.endpoint_id) for each in due if each.is_ailing} | {
            key for key in self._ailing if self._in_flight[key]
        }
        ailing = sum(self._in_flight[key] for key in self._ailing)
        shares = share_out(
            due,
            self._in_flight,
            ailing,
            self._limits,
            most=_CLAIM_AT_ONCE,
            windows=self._lanes.windows(),
        )
        if not shares:
            return [], {}
        lease = self._settings.webhook_timeout_seconds + LEASE_MARGIN_SECONDS
        claimed = await deliveries.claim_deliveries(connection, shares, lease_seconds=lease)
        return claimed, await deliveries.list_targets(connection, list(shares))

    def _fill(self, key: EndpointKey) -> None:
        """Begin the calls that the endpoint has free."""
        while (work := self._lanes.begin(key)) is not None:
            call = asyncio.create_task(self._deliver(key, *work))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)

    async def _deliver(self, key: EndpointKey, claimed: Claimed, target: Target | None) -> None:
        try:
            answer = await self._post(claimed, target)
        except BaseException:
            # Cancelled while stopping, or a defect: the lease brings the delivery back.
            self._lanes.end(key, seconds=0.0, succeeded=False)
            self._release(key)
            raise
        succeeded = answer.failure is None
        self._lanes.end(key, seconds=answer.duration_ms / 1_000, succeeded=succeeded)
        if not succeeded:
            self._give_back(self._lanes.give_back(key))
        self._outcomes.append(self._judge(claimed, answer))
        self._has_outcomes.set()
        self._fill(key)

    def _give_back(self, claims: Sequence[Claimed]) -> None:
        if claims:
            self._untried += claims
            self._has_outcomes.set()

    async def _post(self, claimed: Claimed, target: Target | None) -> Answer:
        try:
            secrets = [
                open_secret(claimed.tenant_id, claimed.endpoint_id, sealed)
                for sealed in (target.secrets if target else [])
            ]
        except DecryptionFailed:
            secrets = []
        if target is None or not secrets:
            return Answer(
                failure="no_secret", http_status=None, started_at=self._clock.now(), duration_ms=0
            )
        return await post(
            self._session, self._rules, url=target.url, secrets=secrets, claimed=claimed
        )

    def _judge(self, claimed: Claimed, answer: Answer) -> Attempt:
        """What follows from an answer: done, again later, or over."""
        now, due_at, rests_until = self._clock.now(), None, None
        if answer.failure is not None and not answer.is_gone:
            due_at = next_try(
                failures=claimed.failures + 1,
                now=now,
                give_up_at=claimed.give_up_at,
                chance=random.random(),  # noqa: S311 - jitter, not a secret
                retry_after_seconds=answer.retry_after_seconds,
            )
        if answer.retry_after_seconds is not None:
            seconds = min(answer.retry_after_seconds, LONGEST_WISH_SECONDS)
            rests_until = now + timedelta(seconds=seconds)
        over = "failed" if due_at is None else "pending"
        return Attempt(
            claimed=claimed,
            state="delivered" if answer.failure is None else over,
            failure=answer.failure,
            http_status=answer.http_status,
            next_due_at=due_at,
            started_at=answer.started_at,
            duration_ms=answer.duration_ms,
            answer=answer.text,
            rests_until=rests_until,
            is_gone=answer.is_gone,
        )

    async def _record(
        self, connection: Connection, batch: Sequence[Attempt]
    ) -> list[EndpointChange]:
        """Outcomes, endpoints' health, and what people must be told; returns what was ended."""
        recorded = await deliveries.record_attempts(connection, batch)
        counted = {(each.endpoint_id, each.event_id): each.failed_before for each in recorded}
        valid = [a for a in batch if (a.claimed.endpoint_id, a.claimed.event_id) in counted]
        if not valid:
            return []
        changes = await deliveries.mark_endpoints(
            connection,
            valid,
            give_up_seconds=self._settings.webhook_disable_after_days * _DAY_SECONDS,
        )
        failing = {
            (a.claimed.tenant_id, a.claimed.endpoint_id): a
            for a in valid
            if a.failure is not None and a.claimed.failures + 1 == TOLD_AFTER_FAILURES
        }
        for key, attempt in sorted(failing.items()):
            await self._tell_failing(connection, key, attempt)
        for change in sorted(changes, key=lambda each: (each.tenant_id, each.endpoint_id)):
            await self._tell_change(connection, change)
        return [change for change in changes if change.has_ended]

    async def _tell_failing(
        self, connection: Connection, key: EndpointKey, attempt: Attempt
    ) -> None:
        status = f" ({attempt.http_status})" if attempt.http_status else ""
        await open_alert(
            connection,
            tenant_id=key[0],
            kind="webhook_failing",
            subject=str(key[1]),
            detail=f"a webhook failed {TOLD_AFTER_FAILURES} times: {attempt.failure}{status}",
        )

    async def _tell_change(self, connection: Connection, change: EndpointChange) -> None:
        if change.has_recovered:
            await deliveries.close_alerts(
                connection, tenant_id=change.tenant_id, endpoint_id=change.endpoint_id
            )
        if change.has_ended:
            gone = change.disabled_reason == "gone"
            days = self._settings.webhook_disable_after_days
            await open_alert(
                connection,
                tenant_id=change.tenant_id,
                kind="webhook_disabled",
                subject=str(change.endpoint_id),
                detail="it answered 410" if gone else f"nothing but failures for {days} days",
            )

    def _release(self, key: EndpointKey) -> None:
        self._in_flight[key] -= 1
        if self._in_flight[key] <= 0:
            del self._in_flight[key]


def _outcome(attempt: Attempt) -> str:
    return "retrying" if attempt.state == "pending" else attempt.state
