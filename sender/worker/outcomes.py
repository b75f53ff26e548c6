"""From what a send came back with to what is recorded: pure, decided by the error atlas."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from core.domain.provider_errors import (
    ErrorAction,
    ErrorScope,
    ProviderError,
    classify,
    wait_before_retry,
)
from core.errors import CarteiroError, InvalidInput, MetaError, MetaUnreachable
from core.store.dispatch import ClaimedMessage, SendOutcome
from core.whatsapp.client import SendAccepted

_DEFAULT_WAIT_SECONDS: Final = 5
_UNREACHABLE_WAIT_SECONDS: Final = 2
_MAX_WAIT_SECONDS: Final = 300
_MAX_DETAIL: Final = 500
PAIR_RATE: Final = 131056
_PATIENT_AFTER: Final = 500
"""Refusals after which a message comes back every five minutes only: its attempt number is a
smallint, and 30 days hold 8,640 of them."""
_RESTING: Final = frozenset({ErrorScope.NUMBER, ErrorScope.ACCOUNT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """An outcome, and the error rule behind it when Meta gave one."""

    outcome: SendOutcome
    error: ProviderError | None = None
    retry_after_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When a request went out and when its end was known."""

    requested_at: datetime | None
    answered_at: datetime


def judge_accepted(message: ClaimedMessage, answer: SendAccepted, moment: Moment) -> Judgement:
    """Meta took it; `held` when its quality hold applies."""
    state = "held" if answer.held else "accepted"
    return Judgement(
        outcome=_outcome(message, moment, outcome=state, state=state, wamid=answer.wamid)
    )


def judge_error(message: ClaimedMessage, error: CarteiroError, moment: Moment) -> Judgement:
    """What an exception means: failed, wait and try again, or in doubt.

    Only what cannot have been processed goes back to the queue; a wait is never held against the
    message. Everything we do not understand after bytes have left is in doubt.
    """
    if isinstance(error, MetaError):
        return _judge_refusal(message, error, moment)
    if isinstance(error, InvalidInput):
        return Judgement(
            outcome=_outcome(
                message, moment, outcome="rejected", state="failed", error_detail=error.detail
            )
        )
    if isinstance(error, MetaUnreachable) and error.before_bytes:
        return judge_not_sent(
            message, moment, wait_seconds=_backoff(message.throttle_count), detail=error.detail
        )
    status = error.http_status if isinstance(error, MetaUnreachable) else None
    return judge_in_doubt(message, moment, detail=error.detail, http_status=status)


def judge_not_sent(
    message: ClaimedMessage, moment: Moment, *, wait_seconds: int, detail: str
) -> Judgement:
    """No byte left: back to the queue."""
    return Judgement(
        outcome=_outcome(
            message,
            moment,
            outcome="not_sent",
            state="queued",
            not_before=moment.answered_at + timedelta(seconds=wait_seconds),
            error_detail=detail,
        )
    )


def judge_in_doubt(
    message: ClaimedMessage, moment: Moment, *, detail: str, http_status: int | None = None
) -> Judgement:
    """Bytes left and no usable answer came: only evidence can tell."""
    return Judgement(
        outcome=_outcome(
            message,
            moment,
            outcome="in_doubt",
            state="in_doubt",
            error_detail=detail,
            http_status=http_status,
        )
    )


def _judge_refusal(message: ClaimedMessage, refusal: MetaError, moment: Moment) -> Judgement:
    error = classify(refusal.meta_code, refusal.http_status)
    if error.action is ErrorAction.IN_DOUBT:
        outcome, state, not_before = "in_doubt", "in_doubt", None
    elif error.message_stays_queued:
        seconds = _throttled_seconds(message, error, refusal.retry_after_seconds)
        outcome, state = "throttled", "queued"
        # What slows or rests a whole number costs its messages no place in their campaign.
        keeps_place = error.action is ErrorAction.DELAY and error.scope in _RESTING
        not_before = None if keeps_place else moment.answered_at + timedelta(seconds=seconds)
    else:
        outcome, state, not_before = "rejected", "failed", None
    return Judgement(
        outcome=_outcome(
            message,
            moment,
            outcome=outcome,
            state=state,
            not_before=not_before,
            error_code=refusal.meta_code,
            error_subcode=refusal.subcode,
            error_detail=refusal.details or refusal.title,
            http_status=refusal.http_status,
            fbtrace_id=refusal.fbtrace_id,
        ),
        error=error,
        retry_after_seconds=refusal.retry_after_seconds,
    )


def _throttled_seconds(
    message: ClaimedMessage, error: ProviderError, retry_after_seconds: int | None
) -> int:
    """How long a refused message waits; a pair's wait (131056) is Meta's 4^X, however long."""
    if message.throttle_count >= _PATIENT_AFTER:
        return _MAX_WAIT_SECONDS
    wait = wait_before_retry(
        error, tries=message.throttle_count + 1, retry_after_seconds=retry_after_seconds
    )
    if error.code == PAIR_RATE:
        return wait or 1
    return min(wait or _DEFAULT_WAIT_SECONDS, _MAX_WAIT_SECONDS)


def _backoff(waits: int) -> int:
    return min(_UNREACHABLE_WAIT_SECONDS * int(2 ** min(waits, 8)), _MAX_WAIT_SECONDS)


def _outcome(
    message: ClaimedMessage,
    moment: Moment,
    *,
    outcome: str,
    state: str,
    wamid: str | None = None,
    error_code: int | None = None,
    not_before: datetime | None = None,
    http_status: int | None = None,
    error_subcode: int | None = None,
    error_detail: str | None = None,
    fbtrace_id: str | None = None,
) -> SendOutcome:
    return SendOutcome(
        message_id=message.message_id,
        attempt_no=message.attempt_no,
        outcome=outcome,
        state=state,
        claimed_at=message.claimed_at,
        wamid=wamid,
        error_code=error_code,
        not_before=not_before,
        requested_at=moment.requested_at,
        answered_at=moment.answered_at,
        http_status=http_status,
        error_subcode=error_subcode,
        error_detail=error_detail[:_MAX_DETAIL] if error_detail else None,
        fbtrace_id=fbtrace_id,
    )
