"""The life of a campaign. `finished` is never stored: it is what the messages say."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from core.domain.message_state import OPEN, MessageState


class CampaignState(StrEnum):
    """Where a campaign is; the last three are derived: from its schedule, from its messages."""

    DRAFT = "draft"
    PLANNING = "planning"
    PLAN_FAILED = "plan_failed"
    PLANNED = "planned"
    APPROVED = "approved"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    SCHEDULED = "scheduled"
    FINISHED = "finished"
    FINISHED_WITH_FAILURES = "finished_with_failures"


_C = CampaignState

DERIVED: Final = frozenset({_C.SCHEDULED, _C.FINISHED, _C.FINISHED_WITH_FAILURES})
STORED: Final = frozenset(CampaignState) - DERIVED

_MOVES: Final[Mapping[CampaignState, frozenset[CampaignState]]] = MappingProxyType(
    {
        _C.DRAFT: frozenset({_C.PLANNING, _C.CANCELLED}),
        _C.PLANNING: frozenset({_C.PLANNED, _C.PLAN_FAILED, _C.PAUSED, _C.CANCELLED}),
        _C.PLAN_FAILED: frozenset({_C.PLANNING, _C.CANCELLED}),
        # Another time of local delivery makes a new plan necessary: back to draft.
        _C.PLANNED: frozenset({_C.DRAFT, _C.PLANNING, _C.APPROVED, _C.PAUSED, _C.CANCELLED}),
        _C.APPROVED: frozenset({_C.DRAFT, _C.RUNNING, _C.PAUSED, _C.CANCELLED}),
        _C.RUNNING: frozenset({_C.PAUSED, _C.CANCELLED}),
        # Back to where it was paused; to planning when it was never launched.
        _C.PAUSED: frozenset(
            {_C.DRAFT, _C.PLANNING, _C.PLANNED, _C.APPROVED, _C.RUNNING, _C.CANCELLED}
        ),
    }
)


def can_campaign_move(source: CampaignState, target: CampaignState) -> bool:
    """Whether a campaign in `source` may be put into `target`; cancelled is for ever."""
    return target in _MOVES.get(source, frozenset())


def shown_campaign_state(
    stored: CampaignState, counts: Mapping[MessageState, int], *, has_time: bool = False
) -> CampaignState:
    """The state to show: a running campaign without open messages is finished.

    An approved one that has a time to start at is scheduled.

    Failed, expired and still undecided outcomes are different things: only `failed` and `expired`
    make it `finished_with_failures`. A paused campaign stays paused, with or without open messages.
    """
    if stored is _C.APPROVED and has_time:
        return _C.SCHEDULED
    if stored is not CampaignState.RUNNING or any(counts.get(state, 0) for state in OPEN):
        return stored
    failures = counts.get(MessageState.FAILED, 0) + counts.get(MessageState.EXPIRED, 0)
    return _C.FINISHED_WITH_FAILURES if failures else _C.FINISHED
