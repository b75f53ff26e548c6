"""The life of a campaign as its tenant steers it.

Every change of state is one conditional UPDATE: two calls at once can't both succeed, and the one
that can't is told the present state.
"""

import json
import time
from collections.abc import Collection
from typing import Final, LiteralString, Protocol
from uuid import UUID

from api.campaigns.audiences import check_audience, frozen_list
from api.campaigns.schemas import Campaign, CampaignSummary, Cancelled, CreateCampaign
from api.campaigns.times import start_time
from api.campaigns.waiting import explain_waiting
from api.deps import Caller
from api.dto import Answer, Page
from api.list_filters import Made
from api.pagination import Pager
from api.problems import Problem
from api.rows import execute, fetch_all, fetch_known
from core.domain.ids import new_id
from core.errors import InvalidInput
from core.store.database import Connection
from core.store.queries import load

_sql = load("campaigns")
_CANCEL_BATCH: Final = 10_000
#: A call answers; what it has not taken back by then the settler does.
_CANCEL_SECONDS: Final = 2.0


class _Parts(Answer):
    number_waba_id: str | None
    template_waba_id: str | None
    variant_templates: int
    list_known: bool


class _CancelCount(Answer):
    cancelled: int


class _MessageCount(Answer):
    messages: int


class _TemplateChange(Answer):
    version_hash: str
    category: str
    is_planned: bool


async def create_campaign(
    connection: Connection, caller: Caller, wanted: CreateCampaign
) -> Campaign:
    """A campaign in draft. Raises InvalidInput when its parts don't exist or don't fit."""
    check_audience(wanted.list_id, wanted.segment_id)
    scheduled_at = await start_time(
        connection, caller, at=wanted.scheduled_at, wall=wanted.scheduled_local
    )
    variants = wanted.experiment.variants if wanted.experiment else []
    await check_parts(
        connection,
        caller,
        wanted,
        variant_template_ids={arm.template_id for arm in variants if arm.template_id is not None},
    )
    campaign_id = new_id()
    list_id = wanted.list_id
    if wanted.segment_id is not None:
        name = f"campaign {campaign_id}"
        list_id = await frozen_list(connection, caller, wanted.segment_id, name)
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
            "list_id": list_id,
            "parameters": json.dumps(parameters),
            "experiment": wanted.experiment and wanted.experiment.model_dump_json(),
            "canary": wanted.canary and wanted.canary.model_dump_json(),
            "scheduled_at": scheduled_at,
            "local_delivery": wanted.local_delivery,
            "max_lateness_seconds": wanted.max_lateness_minutes * 60,
            "created_by": caller.subject,
        },
    )
    caller.audit(target_kind="campaign", target_id=campaign_id)
    return await _campaign(connection, caller, campaign_id)


async def get_campaign(caller: Caller, campaign_id: UUID) -> Campaign:
    """One campaign with its plan, and why its messages wait."""
    async with caller.transaction(snapshot=True) as connection:
        campaign = await _campaign(connection, caller, campaign_id)
        waiting = await explain_waiting(connection, caller, campaign)
    return campaign.model_copy(update={"waiting_because": waiting})


async def list_campaigns(
    caller: Caller, pager: Pager, *, made: Made, state: str | None
) -> Page[CampaignSummary]:
    """The tenant's campaigns, newest first."""
    async with caller.transaction() as connection:
        rows = await fetch_all(
            connection,
            CampaignSummary,
            _sql.list_campaigns,
            {
                "tenant_id": caller.tenant_id,
                "after": pager.after_id,
                **made.parameters(),
                "state": state,
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
            "person": caller.person,
        }
        changed = await execute(connection, _sql.approve_campaign, parameters)
        campaign = await _campaign(connection, caller, campaign_id)
    if changed:
        return campaign
    stale = campaign.plan_stale_reason is not None
    if campaign.status == "planned" and campaign.plan_hash == plan_hash and not stale:
        raise Problem(
            "four-eyes", "who asked for a plan can't approve it, also not with a key of their own"
        )
    if campaign.status == "planned":
        raise Problem(
            "plan-changed",
            "the template has changed since the plan: plan again"
            if stale
            else "the campaign has another plan than the one you approve",
            extra={"status_now": campaign.status, "plan_hash": campaign.plan_hash},
        )
    raise _wrong_state(campaign, "be approved")


async def launch(caller: Caller, campaign_id: UUID) -> Campaign:
    """Let the messages of an approved campaign go; one with a time to come starts by itself."""
    async with caller.transaction() as connection:
        parameters = {"tenant_id": caller.tenant_id, "campaign_id": campaign_id}
        changed = await execute(connection, _sql.launch_campaign, parameters)
        campaign = await _campaign(connection, caller, campaign_id)
    if changed:
        return campaign
    if campaign.plan_stale_reason is not None:
        raise Problem("plan-changed", "the template has changed since the plan: plan again")
    if campaign.status == "approved" and campaign.scheduled_at is not None:
        raise Problem(
            "campaign-state",
            "the campaign is scheduled and starts by itself; PATCH scheduled_at to null first",
            extra={"status_now": "scheduled", "scheduled_at": campaign.scheduled_at.isoformat()},
        )
    raise _wrong_state(campaign, "be launched")


async def pause(caller: Caller, campaign_id: UUID) -> Campaign:
    """Nothing more is claimed from the commit on; what a worker holds is still sent.

    Harmless for a campaign that is paused already.
    """
    async with caller.transaction() as connection:
        parameters = {
            "tenant_id": caller.tenant_id,
            "campaign_id": campaign_id,
            "reason": f"paused by {caller.subject}",
        }
        changed = await execute(connection, _sql.pause_campaign, parameters)
        campaign = await _campaign(connection, caller, campaign_id)
    if not changed and campaign.status != "paused":
        raise _wrong_state(campaign, "be paused")
    return campaign


async def resume(caller: Caller, campaign_id: UUID, accepted: str | None) -> Campaign:
    """Go on where the pause began: the rows know who has had their message.

    Raises Problem template-changed while the template is another than the one planned, unless that
    version is accepted; another category is never accepted, for other consents and prices hold.
    Of a running experiment the stopped arms go on whose template has the accepted version.
    """
    parameters = {
        "tenant_id": caller.tenant_id,
        "campaign_id": campaign_id,
        "accepted_version_hash": accepted,
    }
    async with caller.transaction() as connection:
        changed = await execute(connection, _sql.resume_campaign, parameters)
        if not changed and accepted is not None:
            changed = await execute(connection, _sql.accept_arm_version, parameters)
        campaign = await _campaign(connection, caller, campaign_id)
        template = await fetch_known(
            connection, _TemplateChange, _sql.get_template_change, parameters, what="campaign"
        )
    if changed:
        return campaign
    if campaign.status == "paused" and not template.is_planned:
        raise _template_changed(campaign, template)
    raise _wrong_state(campaign, "be resumed")


def _template_changed(campaign: Campaign, template: _TemplateChange) -> Problem:
    if campaign.launched_at is None:
        advice = "plan it again: nothing of it has been sent"
    elif template.category == campaign.category:
        advice = "resume with accept_template_version_hash to go on with the new text"
    else:
        advice = f"it is {template.category} now: cancel this one and plan another"
    return Problem(
        "template-changed",
        f"the template is not the one that was planned; {advice}",
        extra={
            "status_now": "paused",
            "template_version_hash": template.version_hash,
            "template_category": template.category,
        },
    )


async def cancel(caller: Caller, campaign_id: UUID) -> Cancelled:
    """End a campaign for ever: first the state, so that nothing is claimed, then the rows.

    Rows go in batches for some seconds at most; the settler takes back what remains. Repeating the
    call is harmless.
    """
    await _change(
        caller,
        campaign_id,
        _sql.cancel_campaign,
        "be cancelled",
        reason=f"cancelled by {caller.subject}",
    )
    place = {"tenant_id": caller.tenant_id, "campaign_id": campaign_id}
    total, until = 0, time.monotonic() + _CANCEL_SECONDS
    while True:
        async with caller.transaction() as connection:
            batch = await fetch_known(
                connection,
                _CancelCount,
                _sql.cancel_unclaimed_messages,
                place | {"batch_size": _CANCEL_BATCH},
                what="campaign",
            )
        total += batch.cancelled
        if batch.cancelled < _CANCEL_BATCH or time.monotonic() > until:
            break
    async with caller.transaction() as connection:
        left = await fetch_known(
            connection, _MessageCount, _sql.count_unclaimed_messages, place, what="campaign"
        )
    return Cancelled(campaign_id=campaign_id, cancelled_messages=total, remaining=left.messages)


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
    finished = campaign.state in ("finished", "finished_with_failures")
    state = campaign.state if finished else campaign.status
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


class Parts(Protocol):
    """What a campaign, or a series of them, refers to."""

    @property
    def phone_number_id(self) -> str: ...
    @property
    def template_id(self) -> UUID: ...
    @property
    def list_id(self) -> UUID | None: ...


async def check_parts(
    connection: Connection,
    caller: Caller,
    wanted: Parts,
    *,
    variant_template_ids: Collection[UUID] = (),
) -> None:
    """Raise InvalidInput when a part is not the tenant's or doesn't fit the others."""
    parts = await fetch_known(
        connection,
        _Parts,
        _sql.get_campaign_parts,
        {
            "tenant_id": caller.tenant_id,
            "phone_number_id": wanted.phone_number_id,
            "template_id": wanted.template_id,
            "list_id": wanted.list_id,
            "variant_template_ids": sorted(variant_template_ids),
        },
        what="campaign",
    )
    if parts.variant_templates != len(variant_template_ids):
        raise InvalidInput(
            "a variant's template is not one of this number's account",
            pointer="/experiment/variants",
        )
    if parts.number_waba_id is None:
        raise InvalidInput("there is no such number", pointer="/phone_number_id")
    if parts.template_waba_id is None:
        raise InvalidInput("there is no such template", pointer="/template_id")
    if wanted.list_id is not None and not parts.list_known:
        raise InvalidInput("there is no such list", pointer="/list_id")
    if parts.number_waba_id != parts.template_waba_id:
        raise InvalidInput(
            "the template belongs to another WhatsApp account than the number",
            pointer="/template_id",
        )
