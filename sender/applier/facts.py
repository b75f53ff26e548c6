"""What a message is after some statuses: pure. The rules of order are core.domain.message_state's.

Everything Meta says about a message once is a fact and becomes one event; a fact moves the state
only forward, and what contradicts it is kept beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.domain.message_state import MessageState, gravest_conflict, next_state, rank
from core.store.webhooks import Fact, KnownMessage, NewWamid
from core.whatsapp.updates import StatusUpdate


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One status that nobody has applied before, and the attempt its token or wamid names.

    `has_failed`: Meta has said that this very attempt failed.
    """

    status: StatusUpdate
    attempt_no: int
    has_failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """The message after all observations, the new facts and wamids, whether it was sent twice."""

    message: KnownMessage
    facts: tuple[Fact, ...]
    wamids: tuple[NewWamid, ...]
    sent_twice: bool = False


def fold(message: KnownMessage, observations: Sequence[Observation]) -> Folded:
    """Move `message` (in place) by observations, in the order in which Meta says they happened.

    The end does not depend on that order: states are ranked, times are kept once.
    """
    facts: list[Fact] = []
    wamids: list[NewWamid] = []
    sent_twice = False
    for observation in sorted(observations, key=_order) if len(observations) > 1 else observations:
        status = observation.status
        if _is_past(message, observation):
            wamids.append(_new_wamid(message, observation))
            continue
        if message.wamid is not None and message.wamid != status.wamid:
            # Another attempt got through as well. The first one counts; people see the conflict.
            message.conflict, sent_twice = "sent_twice", True
            wamids.append(_new_wamid(message, observation))
            continue
        if message.wamid is None:
            wamids.append(_new_wamid(message, observation))
        if message.accepted_at is None:
            facts.append(_accepted(message, observation))
        _observe(message, status)
        facts.append(_fact(message, observation))
    return Folded(message=message, facts=tuple(facts), wamids=tuple(wamids), sent_twice=sent_twice)


def _is_past(message: KnownMessage, observation: Observation) -> bool:
    """What is still told of an attempt that failed: the next one says what becomes of the message.

    A `sent` after the `failed` of its own wamid would take a re-driven message out of the queue
    that reached nobody; a delivery would be true all the same.
    """
    status = observation.status
    if status.state is MessageState.SENT:
        return observation.has_failed
    return (
        status.state is MessageState.FAILED
        and observation.attempt_no < message.attempt_no
        and status.wamid != message.wamid
    )


def _order(observation: Observation) -> tuple[datetime, int]:
    return (observation.status.occurred_at, rank(observation.status.state))


def _observe(message: KnownMessage, status: StatusUpdate) -> None:
    unconfirmed = message.reason == "unconfirmed"
    move = next_state(
        MessageState(message.state),
        status.state,
        unconfirmed=unconfirmed,
        lapsed=message.reason == "ttl",
    )
    if unconfirmed:
        # That time was when we stopped waiting, not when anything failed.
        message.failed_at = None
    _time(message, status)
    if move.changed:
        # Our own reason (unconfirmed, too_late) explained a state that no longer holds.
        message.state, message.reason = move.state.value, None
        message.error_code = status.failure_code if move.state is MessageState.FAILED else None
    message.conflict = gravest_conflict(message.conflict, _met(message, move.conflict))


def _met(message: KnownMessage, conflict: str | None) -> str | None:
    """Which of failure and delivery came after the other: by Meta's times, not by arrival."""
    if message.failed_at is None or message.delivered_at is None:
        return conflict
    if message.failed_at < message.delivered_at:
        return "delivered_after_failed"
    return "failed_after_delivered"


def _time(message: KnownMessage, status: StatusUpdate) -> None:
    """The times and the price of a status; a known price is never overwritten by nothing."""
    at = status.occurred_at
    message.wamid, message.accepted_at = status.wamid, message.accepted_at or at
    if status.state is MessageState.FAILED:
        # Test suites show failed statuses with a price: Meta bills on delivery only.
        message.failed_at = min(message.failed_at or at, at)
        return
    if status.state is MessageState.SENT:
        message.sent_at = min(message.sent_at or at, at)
    else:
        # Read implies delivered; the delivery's own time, if it comes, is earlier.
        message.delivered_at = min(message.delivered_at or at, at)
        if status.state is MessageState.READ:
            message.read_at = min(message.read_at or at, at)
    price = status.pricing
    if price is not None:
        message.billable = message.billable if price.billable is None else price.billable
        message.pricing_model = price.model or message.pricing_model
        message.pricing_type = price.type or message.pricing_type
        message.pricing_category = price.category or message.pricing_category


def _accepted(message: KnownMessage, observation: Observation) -> Fact:
    """Any status proves that Meta had accepted; the fact was never recorded, so it is now."""
    return Fact(
        message_id=message.message_id,
        event_type=MessageState.ACCEPTED.value,
        occurred_at=observation.status.occurred_at,
        attempt_no=observation.attempt_no,
    )


def _fact(message: KnownMessage, observation: Observation) -> Fact:
    status, price = observation.status, observation.status.pricing
    return Fact(
        message_id=message.message_id,
        event_type=status.state.value,
        occurred_at=status.occurred_at,
        attempt_no=observation.attempt_no,
        billable=price.billable if price else None,
        pricing_model=price.model if price else None,
        pricing_type=price.type if price else None,
        pricing_category=price.category if price else None,
        error_code=status.failure_code if status.state is MessageState.FAILED else None,
    )


def _new_wamid(message: KnownMessage, observation: Observation) -> NewWamid:
    return NewWamid(
        tenant_id=message.tenant_id,
        wamid=observation.status.wamid,
        message_id=message.message_id,
        attempt_no=observation.attempt_no,
    )
