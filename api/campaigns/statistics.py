"""Where every message of a campaign is, counted from the rows in one snapshot."""

from collections import Counter
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from api.campaigns.schemas import (
    Campaign,
    CampaignStats,
    Conservation,
    ErrorCount,
    ReasonCount,
    ResidualRisk,
)
from api.deps import Caller
from api.dto import Answer
from api.rows import fetch_all, fetch_known
from core.domain.campaign_state import CampaignState, shown_campaign_state
from core.domain.message_state import OPEN, MessageState
from core.domain.provider_errors import classify
from core.store.queries import load

_sql = load("campaigns")
_RATE_WINDOW_SECONDS: Final = 60


class _StateCount(Answer):
    state: MessageState
    exclusion_reason: str | None
    error_code: int | None
    reason: str | None
    messages: int


class _Planned(Answer):
    planned: int


class _Accepted(Answer):
    accepted: int
    recent: int


async def stats(caller: Caller, campaign_id: UUID) -> CampaignStats:
    """Counts of one instant: all queries of it read the same snapshot."""
    place = {"tenant_id": caller.tenant_id, "campaign_id": campaign_id}
    async with caller.transaction(snapshot=True) as connection:
        campaign = await fetch_known(
            connection, Campaign, _sql.get_campaign, place, what="campaign"
        )
        rows = await fetch_all(connection, _StateCount, _sql.count_states, place)
        planned = await fetch_known(
            connection, _Planned, _sql.count_recipients, place, what="campaign"
        )
        acceptances = await fetch_known(
            connection, _Accepted, _sql.count_acceptances, place, what="campaign"
        )
        risk = await fetch_known(
            connection, ResidualRisk, _sql.count_doubts, place, what="campaign"
        )
    counts = Counter[MessageState]()
    for row in rows:
        counts[row.state] += row.messages
    total = counts.total()
    rate = acceptances.recent / _RATE_WINDOW_SECONDS
    return CampaignStats(
        campaign_id=campaign_id,
        status=shown_campaign_state(
            CampaignState(campaign.status), counts, has_time=campaign.scheduled_at is not None
        ),
        states={state.value: counts[state] for state in MessageState},
        exclusions=_exclusions(rows),
        errors=_errors(rows),
        reasons=_reasons(rows),
        conservation=Conservation(
            planned=planned.planned, sum=total, holds=planned.planned == total
        ),
        accepted=acceptances.accepted,
        rate_per_second=round(rate, 2),
        seconds_left=_seconds_left(counts, rate),
        residual_risk=risk,
    )


def _seconds_left(counts: Mapping[MessageState, int], rate: float) -> int | None:
    left = sum(counts.get(state, 0) for state in OPEN)
    if not left:
        return 0
    return round(left / rate) if rate else None


def _exclusions(rows: list[_StateCount]) -> dict[str, int]:
    found = Counter[str]()
    for row in rows:
        if row.exclusion_reason is not None:
            found[row.exclusion_reason] += row.messages
    return dict(sorted(found.items()))


def _errors(rows: list[_StateCount]) -> list[ErrorCount]:
    found = Counter[int]()
    for row in rows:
        if row.error_code is not None:
            found[row.error_code] += row.messages
    return [_error(code, messages) for code, messages in found.most_common()]


def _error(code: int, messages: int) -> ErrorCount:
    known = classify(code, None)
    return ErrorCount(code=code, name=known.name, advice=known.advice, messages=messages)


def _reasons(rows: list[_StateCount]) -> list[ReasonCount]:
    found = Counter[tuple[str, str]]()
    for row in rows:
        if row.reason is not None:
            found[(row.state.value, row.reason)] += row.messages
    return [
        ReasonCount(state=state, reason=reason, messages=messages)
        for (state, reason), messages in found.most_common()
    ]
