"""/v1/campaigns."""

from fastapi import Request, Response

from api.campaigns import service, statistics, times
from api.campaigns.schemas import (
    Approve,
    Campaign,
    CampaignStats,
    CampaignSummary,
    Cancelled,
    ChangeCampaign,
    CreateCampaign,
    PlanRequest,
    Resume,
    ShownState,
)
from api.deps import CampaignsApprover, CampaignsReader, CampaignsWriter, Cursor, Limit
from api.dto import Id, Page
from api.idempotency import OptionalKey, once
from api.list_filters import MadeWhen
from api.openapi import problems
from api.routing import SliceRouter

router = SliceRouter(prefix="/v1/campaigns", tags=["campaigns"])
_CHANGES = problems("not-found", "campaign-state")


@router.post(
    "",
    operation_id="create_campaign",
    summary="Create a campaign",
    status_code=201,
    responses=problems("conflict"),
)
async def create_campaign(
    caller: CampaignsWriter,
    response: Response,
    wanted: CreateCampaign,
    idempotency_key: OptionalKey = None,
) -> Campaign:
    """A campaign in draft. Nothing happens until it is planned, approved and launched."""
    return await once(
        caller,
        idempotency_key,
        "create_campaign",
        wanted,
        response,
        lambda connection: service.create_campaign(connection, caller, wanted),
        model=Campaign,
    )


@router.get("", operation_id="list_campaigns", summary="Your campaigns")
async def list_campaigns(
    caller: CampaignsReader,
    request: Request,
    made: MadeWhen,
    state: ShownState | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[CampaignSummary]:
    """Campaigns by time and state, newest first."""
    pager = caller.pager(request, cursor, limit)
    return await service.list_campaigns(caller, pager, made=made, state=state)


@router.get(
    "/{campaign_id}",
    operation_id="get_campaign",
    summary="One campaign",
    responses=problems("not-found"),
)
async def get_campaign(caller: CampaignsReader, campaign_id: Id) -> Campaign:
    """A campaign with its plan, and why its messages wait."""
    return caller.conditions.answer(await service.get_campaign(caller, campaign_id))


@router.patch(
    "/{campaign_id}",
    operation_id="change_campaign",
    summary="Schedule, reschedule, unschedule",
    responses=_CHANGES,
)
async def change_campaign(
    caller: CampaignsWriter, campaign_id: Id, wanted: ChangeCampaign
) -> Campaign:
    """Until it is launched. With local delivery another time makes it a draft: plan it again."""
    return caller.conditions.answer(await times.change_campaign(caller, campaign_id, wanted))


@router.get(
    "/{campaign_id}/stats",
    operation_id="get_campaign_stats",
    summary="Where every message of a campaign is",
    responses=problems("not-found"),
)
async def get_campaign_stats(caller: CampaignsReader, campaign_id: Id) -> CampaignStats:
    """Counts by state, reasons and errors, the conservation sum, rate and time left."""
    return await statistics.stats(caller, campaign_id)


@router.post(
    "/{campaign_id}/plan",
    operation_id="plan_campaign",
    summary="Plan a campaign",
    status_code=202,
    responses=_CHANGES,
)
async def plan_campaign(
    caller: CampaignsWriter, campaign_id: Id, wanted: PlanRequest | None = None
) -> Campaign:
    """Who gets it and who doesn't, what it costs, when it ends. Nothing is sent.

    Poll the campaign until its status is `planned` or `plan_failed`; `plan_progress` says how far
    it is. After a dry run the status is `draft` again, with the same plan to read and no row kept.
    """
    return await service.request_plan(
        caller, campaign_id, dry_run=wanted is not None and wanted.dry_run
    )


@router.post(
    "/{campaign_id}/approve",
    operation_id="approve_campaign",
    summary="Approve a plan",
    responses=_CHANGES | problems("four-eyes", "plan-changed"),
)
async def approve_campaign(caller: CampaignsApprover, campaign_id: Id, wanted: Approve) -> Campaign:
    """Approves exactly the plan whose hash is given.

    Where the organisation wants four eyes, not by who asked for the plan.
    """
    return await service.approve(caller, campaign_id, wanted.plan_hash)


@router.post(
    "/{campaign_id}/launch",
    operation_id="launch_campaign",
    summary="Launch a campaign",
    responses=_CHANGES | problems("plan-changed"),
)
async def launch_campaign(caller: CampaignsWriter, campaign_id: Id) -> Campaign:
    """Sending begins within seconds. A scheduled campaign needs no launch."""
    return await service.launch(caller, campaign_id)


@router.post(
    "/{campaign_id}/pause",
    operation_id="pause_campaign",
    summary="Pause a campaign",
    responses=_CHANGES,
)
async def pause_campaign(caller: CampaignsWriter, campaign_id: Id) -> Campaign:
    """Nothing more is planned, started or taken up; what is on its way to Meta goes on."""
    return await service.pause(caller, campaign_id)


@router.post(
    "/{campaign_id}/resume",
    operation_id="resume_campaign",
    summary="Resume a campaign",
    responses=problems("not-found", "campaign-state", "template-changed"),
)
async def resume_campaign(
    caller: CampaignsWriter, campaign_id: Id, wanted: Resume | None = None
) -> Campaign:
    """Goes on where the pause began: nobody twice, nobody left out.

    Of a running experiment an accepted version lets the arms that it had stopped go on.
    """
    accepted = wanted.accept_template_version_hash if wanted else None
    return await service.resume(caller, campaign_id, accepted)


@router.post(
    "/{campaign_id}/cancel",
    operation_id="cancel_campaign",
    summary="Cancel a campaign",
    responses=_CHANGES,
)
async def cancel_campaign(caller: CampaignsWriter, campaign_id: Id) -> Cancelled:
    """Ends it for ever, in any state: what nobody has taken up is cancelled. May be repeated."""
    return await service.cancel(caller, campaign_id)
