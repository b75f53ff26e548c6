"""/v1/campaigns/{campaign_id}: experiment, waves, redrives."""

from fastapi import Request, Response

from api.campaigns import redrives, trial_service
from api.campaigns.redrive_schemas import (
    Redrive,
    RedriveAnswer,
    RedriveRequest,
    RedriveState,
)
from api.campaigns.trials import ExperimentResult, Waves
from api.deps import CampaignsApprover, CampaignsReader, CampaignsWriter, Cursor, Limit
from api.dto import Id, Page
from api.idempotency import OptionalKey, once
from api.list_filters import MadeWhen
from api.openapi import problems
from api.routing import SliceRouter

router = SliceRouter(prefix="/v1/campaigns/{campaign_id}", tags=["campaigns"])


@router.get(
    "/experiment",
    operation_id="get_campaign_experiment",
    summary="How the arms of an experiment do",
    responses=problems("not-found"),
)
async def get_campaign_experiment(caller: CampaignsReader, campaign_id: Id) -> ExperimentResult:
    """Delivered, read and opted out for each arm, with 95 % intervals, and where arms differ."""
    return await trial_service.experiment_result(caller, campaign_id)


@router.get(
    "/waves",
    operation_id="get_campaign_waves",
    summary="Where a canary is",
    responses=problems("not-found"),
)
async def get_campaign_waves(caller: CampaignsReader, campaign_id: Id) -> Waves:
    """The waves with their messages; `status_reason` says why a gate stopped the campaign."""
    return await trial_service.waves(caller, campaign_id)


@router.post(
    "/waves/next",
    operation_id="release_campaign_wave",
    summary="Release the next wave by hand",
    responses=problems("not-found", "campaign-state"),
)
async def release_campaign_wave(caller: CampaignsApprover, campaign_id: Id) -> Waves:
    """Lets the next wave go whatever its gate says, also out of the gate's pause."""
    return await trial_service.release_next_wave(caller, campaign_id)


@router.post(
    "/redrives",
    operation_id="redrive_campaign",
    summary="Count or try again what failed",
    responses=problems("not-found", "campaign-state", "redrive-count"),
)
async def redrive_campaign(
    caller: CampaignsWriter,
    campaign_id: Id,
    response: Response,
    wanted: RedriveRequest,
    idempotency_key: OptionalKey = None,
) -> RedriveAnswer:
    """A dry run counts by error. With its count in `expected_messages` and `dry_run` false the
    messages go back into the queue; each gets a new attempt, and the claim asks everything anew.
    """
    return await once(
        caller,
        idempotency_key,
        f"redrive_campaign {campaign_id}",
        wanted,
        response,
        lambda connection: redrives.redrive(connection, caller, campaign_id, wanted),
        model=RedriveAnswer,
    )


@router.get(
    "/redrives",
    operation_id="list_campaign_redrives",
    summary="A campaign's re-drives",
    responses=problems("not-found"),
)
async def list_campaign_redrives(
    caller: CampaignsReader,
    request: Request,
    campaign_id: Id,
    made: MadeWhen,
    state: RedriveState | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Redrive]:
    """Newest first, with their progress."""
    pager = caller.pager(request, cursor, limit)
    return await redrives.list_redrives(caller, campaign_id, pager, made=made, state=state)
