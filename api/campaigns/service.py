"""The life of a campaign as its tenant steers it.

Every change of state is one conditional UPDATE: two calls at once can't both succeed, and the one
that can't is told the present state.
"""

import json
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Final, LiteralString
from uuid import UUID

from api.campaigns.schemas import (
    Campaign,
    CampaignStats,
    CampaignSummary,
    Cancelled,
    Conservation,
    CreateCampaign,
    ErrorCount,
    ReasonCount,
)
from api.deps import Caller
from api.dto import Answer, Page
from api.pagination import Pager
from api.problems import Problem
from api.rows import execute, fetch_all, fetch_known
from core.domain.campaign_state import CampaignState, shown_campaign_state
from core.domain.ids import new_id
from core.domain.message_state import OPEN, MessageState
from core.domain.provider_errors import classify
from core.errors import InvalidInput
from core.store.database import Connection
from core.store.queries import load

_sql = load("campaigns")
_MAX_AHEAD: Final = timedelta(days=366)
_CANCEL_BATCH: Final = 20_000
_RATE_WINDOW_SECONDS: Final = 60


class _Parts(Answer):
    number_waba_id: str | None
    template_waba_id: str | None
    variant_templates: int
    list_known: bool


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


class _CancelCount(Answer):
    cancelled: int


async def create_campaign(
    connection: Connection, caller: Caller, wanted: CreateCampaign
) -> Campaign:
    """A campaign in draft. Raises InvalidInput when its parts don't exist or don't fit."""
    now = caller.state.clock.now()
    if wanted.scheduled_at is not None and not now <= wanted.scheduled_at <= now + _MAX_AHEAD:
        raise InvalidInput("must lie within the coming year", pointer="/scheduled_at")
    await _check_parts(connection, caller, wanted)
    campaign_id = new_id()
    parameters = {key: source.model_dump() for key, source in wanted.parameters.items()}
    await execute(
        connection,
        _sql.insert_campaign,
        {
            "tenant_id": caller.tenant_id,
            "campaign_id": campaign_id,
            "name": wanted.name,
            "phone_number_id": wanted.phone_number_id,
            "template_id": wanted.template_id,
            "list_id": wanted.list_id,
            "parameters": json.dumps(parameters),
            "scheduled_at": wanted.scheduled_at,
            "experiment": wanted.experiment and wanted.experiment.model_dump_json(),
            "canary": wanted.canary and wanted.canary.model_dump_json(),
            "created_by": caller.subject,
        },
    )
    return await _campaign(connection, caller, campaign_id)


async def get_campaign(caller: Caller, campaign_id: UUID) -> Campaign:
    """One campaign with its plan."""
    async with caller.transaction() as connection:
        return await _campaign(connection, caller, campaign_id)


async def list_campaigns(caller: Caller, pager: Pager, status: str | None) -> Page[CampaignSummary]:
    """The tenant's campaigns, newest first."""
    async with caller.transaction() as connection:
        rows = await fetch_all(
            connection,
            CampaignSummary,
            _sql.list_campaigns,
            {
                "tenant_id": caller.tenant_id,
                "after": pager.after_id,
                "status": status,
                "limit": pager.fetch,
            },
        )
    return pager.page(rows, lambda row: row.campaign_id)


async def request_plan(caller: Caller, campaign_id: UUID, *, dry_run: bool) -> Campaign:
    """Ask the planner for a plan; it is there when the status is `planned` (or `draft`, dry)."""
    return await _change(
        caller,
        campaign_id,
        _sql.request_plan,
        "be planned",
        requested_by=caller.subject,
        dry_run=dry_run,
    )


async def approve(caller: Caller, campaign_id: UUID, plan_hash: str) -> Campaign:
    """Approve the plan with this hash. Raises Problem when the plan is another one by now."""
    async with caller.transaction() as connection:
        parameters = {
            "tenant_id": caller.tenant_id,
            "campaign_id": campaign_id,
            "plan_hash": plan_hash,
            "approved_by": caller.subject,
        }
        changed = await execute(connection, _sql.approve_campaign, parameters)
        campaign = await _campaign(connection, caller, campaign_id)
    if changed:
        return campaign
    if campaign.status == "planned" and campaign.plan_hash == plan_hash:
        raise Problem("four-eyes", "who asked for a plan can't approve it")
    if campaign.status == "planned":
        raise Problem(
            "plan-changed",
            "the campaign has another plan than the one you approve",
            extra={"status_now": campaign.status, "plan_hash": campaign.plan_hash},
        )
    raise _wrong_state(campaign, "be approved")


async def launch(caller: Caller, campaign_id: UUID) -> Campaign:
    """Let the messages of an approved campaign go."""
    return await _change(caller, campaign_id, _sql.launch_campaign, "be launched")


async def pause(caller: Caller, campaign_id: UUID) -> Campaign:
    """Nothing more is claimed from the commit on; what a worker holds is still sent."""
    return await _change(
        caller, campaign_id, _sql.pause_campaign, "be paused", reason=f"paused by {caller.subject}"
    )


async def resume(caller: Caller, campaign_id: UUID) -> Campaign:
    """Go on where the pause began: the rows know who has had their message."""
    return await _change(caller, campaign_id, _sql.resume_campaign, "be resumed")


async def cancel(caller: Caller, campaign_id: UUID) -> Cancelled:
    """End a campaign for ever: first the state, so that nothing is claimed, then the rows.

    Repeating the call finishes what an interrupted one left.
    """
    await _change(
        caller,
        campaign_id,
        _sql.cancel_campaign,
        "be cancelled",
        reason=f"cancelled by {caller.subject}",
    )
    total = 0
    while True:
        async with caller.transaction() as connection:
            batch = await fetch_known(
                connection,
                _CancelCount,
                _sql.cancel_unclaimed_messages,
                {
                    "tenant_id": caller.tenant_id,
                    "campaign_id": campaign_id,
                    "batch_size": _CANCEL_BATCH,
                },
                what="campaign",
            )
        total += batch.cancelled
        if batch.cancelled < _CANCEL_BATCH:
            return Cancelled(campaign_id=campaign_id, cancelled_messages=total)


async def stats(caller: Caller, campaign_id: UUID) -> CampaignStats:
    """Counts of one instant: all queries of it read the same snapshot."""
    place = {"tenant_id": caller.tenant_id, "campaign_id": campaign_id}
    async with caller.transaction(snapshot=True) as connection:
        campaign = await _campaign(connection, caller, campaign_id)
        rows = await fetch_all(connection, _StateCount, _sql.count_states, place)
        planned = await fetch_known(
            connection, _Planned, _sql.count_recipients, place, what="campaign"
        )
        acceptances = await fetch_known(
            connection, _Accepted, _sql.count_acceptances, place, what="campaign"
        )
    counts = Counter[MessageState]()
    for row in rows:
        counts[row.state] += row.messages
    total = counts.total()
    rate = acceptances.recent / _RATE_WINDOW_SECONDS
    return CampaignStats(
        campaign_id=campaign_id,
        status=shown_campaign_state(CampaignState(campaign.status), counts),
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


async def _change(
    caller: Caller,
    campaign_id: UUID,
    statement: LiteralString,
    what: str,
    *,
    reason: str | None = None,
    **values: object,
) -> Campaign:
    """One conditional change of state. Raises NotFound, or Problem that names the state."""
    async with caller.transaction() as connection:
        parameters = {
            "tenant_id": caller.tenant_id,
            "campaign_id": campaign_id,
            "reason": reason,
            **values,
        }
        changed = await execute(connection, statement, parameters)
        campaign = await _campaign(connection, caller, campaign_id)
    if not changed:
        raise _wrong_state(campaign, what)
    return campaign


def _wrong_state(campaign: Campaign, what: str) -> Problem:
    state = "finished" if campaign.finished_at and campaign.status == "running" else campaign.status
    return Problem(
        "campaign-state",
        f"a campaign that is {state} can't {what}",
        extra={"status_now": state},
    )


async def _campaign(connection: Connection, caller: Caller, campaign_id: UUID) -> Campaign:
    return await fetch_known(
        connection,
        Campaign,
        _sql.get_campaign,
        {"tenant_id": caller.tenant_id, "campaign_id": campaign_id},
        what="campaign",
    )


async def _check_parts(connection: Connection, caller: Caller, wanted: CreateCampaign) -> None:
    variants = wanted.experiment.variants if wanted.experiment else []
    template_ids = {arm.template_id for arm in variants if arm.template_id is not None}
    parts = await fetch_known(
        connection,
        _Parts,
        _sql.get_campaign_parts,
        {
            "tenant_id": caller.tenant_id,
            "phone_number_id": wanted.phone_number_id,
            "template_id": wanted.template_id,
            "list_id": wanted.list_id,
            "variant_template_ids": sorted(template_ids),
        },
        what="campaign",
    )
    if parts.variant_templates != len(template_ids):
        raise InvalidInput(
            "a variant's template is not one of this number's account",
            pointer="/experiment/variants",
        )
    if parts.number_waba_id is None:
        raise InvalidInput("there is no such number", pointer="/phone_number_id")
    if parts.template_waba_id is None:
        raise InvalidInput("there is no such template", pointer="/template_id")
    if not parts.list_known:
        raise InvalidInput("there is no such list", pointer="/list_id")
    if parts.number_waba_id != parts.template_waba_id:
        raise InvalidInput(
            "the template belongs to another WhatsApp account than the number",
            pointer="/template_id",
        )
