"""The life of a message: which states there are, and which may follow which.

Meta delivers statuses at least once and in any order, so the state is not a script but a maximum:
every state has a rank, and an observation wins only if it outranks what is known. That makes the
end the same for every order and every repetition of the same webhooks.
Source: Meta, messages status webhooks and webhook overview, as read on 2026-09-11.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class MessageState(StrEnum):
    """Where one message is. Exactly one applies at every instant."""

    EXCLUDED = "excluded"
    QUEUED = "queued"
    SENDING = "sending"
    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    HELD = "held"
    IN_DOUBT = "in_doubt"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class ExclusionReason(StrEnum):
    """Why a person of the audience gets no message; the row stays and says so."""

    NO_CONSENT = "no_consent"
    OPTED_OUT = "opted_out"
    SUPPRESSED = "suppressed"
    INVALID_NUMBER = "invalid_number"
    MISSING_PARAMETER = "missing_parameter"
    FREQUENCY_CAP = "frequency_cap"
    US_MARKETING = "us_marketing"
    DUPLICATE = "duplicate"


_S = MessageState

# `failed` lies between `sent` and `delivered`: Meta may fail what it had sent, while a delivery
# seen before or after a failure proves the failure wrong. `held` (Meta's quality hold) says more
# than `accepted` and less than `sent`. What we decided without hearing from Meta (in_doubt,
# cancelled, expired) ranks below any proof of acceptance. Nothing moves an excluded row.
_RANKS: Final[Mapping[MessageState, int]] = MappingProxyType(
    {
        _S.QUEUED: 0,
        _S.SENDING: 1,
        _S.IN_DOUBT: 2,
        _S.CANCELLED: 2,
        _S.EXPIRED: 2,
        _S.ACCEPTED: 3,
        _S.HELD: 4,
        _S.SENT: 5,
        _S.FAILED: 6,
        _S.DELIVERED: 7,
        _S.READ: 8,
        _S.EXCLUDED: 9,
    }
)
_UNCONFIRMED_FAILURE_RANK: Final = _RANKS[_S.IN_DOUBT]
# Meta had it and the time to live is over: only news of an outcome moves it any more.
_LAPSED_RANK: Final = _RANKS[_S.SENT]

CONFLICTS: Final = (
    "sent_twice",
    "failed_after_delivered",
    "delivered_after_failed",
    "sent_after_excluded",
    "sent_after_cancelled",
)
"""Facts that contradict each other, the gravest first: a message keeps the gravest it met.

A `sent` that arrives after a `failed` is no contradiction: Meta may fail what it had sent, and
webhooks come in any order.
"""

OPEN: Final = frozenset({_S.QUEUED, _S.SENDING, _S.IN_DOUBT, _S.HELD})
"""Still ours to work on or to settle; a campaign with one of these isn't finished."""
AWAITING: Final = frozenset({_S.ACCEPTED, _S.SENT})
"""Meta has it and owes a status; silence past the time to live means it was dropped."""
TERMINAL: Final = frozenset(
    {_S.EXCLUDED, _S.DELIVERED, _S.READ, _S.FAILED, _S.CANCELLED, _S.EXPIRED}
)
"""An outcome is known. Only proof to the contrary from Meta moves it."""
BILLABLE: Final = frozenset({_S.DELIVERED, _S.READ})
"""Meta charges on delivery, and read implies delivered."""
OBSERVABLE: Final = frozenset({_S.ACCEPTED, _S.HELD, _S.SENT, _S.DELIVERED, _S.READ, _S.FAILED})
"""What Meta can tell us, by its answer to a send or by webhook."""

CONSERVATION_GROUPS: Final[Mapping[str, frozenset[MessageState]]] = MappingProxyType(
    {
        "excluded": frozenset({_S.EXCLUDED}),
        "queued": frozenset({_S.QUEUED}),
        "sending": frozenset({_S.SENDING}),
        "in_doubt": frozenset({_S.IN_DOUBT}),
        "held": frozenset({_S.HELD}),
        "accepted": frozenset({_S.ACCEPTED, _S.SENT, _S.DELIVERED, _S.READ}),
        "failed": frozenset({_S.FAILED}),
        "cancelled": frozenset({_S.CANCELLED}),
        "expired": frozenset({_S.EXPIRED}),
    }
)
"""The terms whose sum is `planned`, at every instant, for every campaign."""

# What our own processes may do, apart from believing Meta.
_COMMANDS: Final[Mapping[MessageState, frozenset[MessageState]]] = MappingProxyType(
    {
        # Claimed; taken back; too late; opted out or template gone before the claim.
        _S.QUEUED: frozenset({_S.SENDING, _S.CANCELLED, _S.EXPIRED, _S.EXCLUDED, _S.FAILED}),
        # Back to queued only where nothing can have been processed: throttled, or no byte left.
        _S.SENDING: frozenset({_S.QUEUED, _S.IN_DOUBT}),
        # The settler: one more try (utility), closed as not sent (marketing), or too late.
        _S.IN_DOUBT: frozenset({_S.QUEUED, _S.FAILED, _S.EXPIRED}),
        _S.ACCEPTED: frozenset({_S.EXPIRED}),
        _S.HELD: frozenset({_S.EXPIRED}),
        _S.SENT: frozenset({_S.EXPIRED}),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """What an observation does: the state that holds now, whether it is new, any contradiction.

    `conflict` (for example `failed_after_delivered`) is to be recorded, moved or not: see
    CONFLICTS.
    """

    state: MessageState
    changed: bool
    conflict: str | None = None


def rank(state: MessageState) -> int:
    """How far a state is on the way; an observation moves a message only to a higher rank."""
    return _RANKS[state]


def can_move(source: MessageState, target: MessageState) -> bool:
    """Whether `target` may follow `source`, by our own command or by Meta's word."""
    if target in _COMMANDS.get(source, frozenset()):
        return True
    return target in OBSERVABLE and next_state(source, target).changed


def next_state(
    current: MessageState,
    observed: MessageState,
    *,
    unconfirmed: bool = False,
    lapsed: bool = False,
) -> Transition:
    """Where a message stands after Meta has said `observed`; never lower in rank than before.

    `unconfirmed` says that a current `failed` is our own inference (an in-doubt send closed for
    lack of evidence): any word from Meta outweighs it. `lapsed` says that a current `expired` came
    from silence past the time to live: Meta had the message, so only an outcome moves it. Raises
    ValueError when `observed` is a state that Meta cannot report.
    """
    if observed not in OBSERVABLE:
        raise ValueError(f"{observed} is not something Meta reports")
    guess = unconfirmed and current is _S.FAILED
    conflict = None if guess else _conflict(current, observed)
    known = rank(current)
    if guess:  # also when Meta now says the very same: from then on it is known
        known = _UNCONFIRMED_FAILURE_RANK
    elif lapsed and current is _S.EXPIRED:
        known = _LAPSED_RANK
    moves = rank(observed) > known
    return Transition(state=observed if moves else current, changed=moves, conflict=conflict)


def gravest_conflict(known: str | None, found: str | None) -> str | None:
    """The one of two contradictions that a message keeps, whichever was met first."""
    if found is None or known is None:
        return known or found
    return min((known, found), key=_gravity)


def _gravity(conflict: str) -> tuple[int, str]:
    place = CONFLICTS.index(conflict) if conflict in CONFLICTS else len(CONFLICTS)
    return (place, conflict)


def _conflict(current: MessageState, observed: MessageState) -> str | None:
    """The contradiction between what was known and what Meta says, if there is one."""
    if current is _S.FAILED and observed in BILLABLE:
        return "delivered_after_failed"
    if current in BILLABLE and observed is _S.FAILED:
        return "failed_after_delivered"
    if current in {_S.CANCELLED, _S.EXCLUDED}:
        return f"sent_after_{current}"
    return None


def conservation_gap(*, planned: int, counts: Mapping[MessageState, int]) -> int:
    """Planned messages in no state (positive) or counted twice (negative); must be 0."""
    return planned - sum(
        counts.get(state, 0) for states in CONSERVATION_GROUPS.values() for state in states
    )
