"""/v1/campaign-series."""

from typing import Annotated

from fastapi import Query, Request, Response

from api.campaigns import series
from api.campaigns.schemas import ShownState
from api.campaigns.series_schemas import (
    ApproveSeries,
    CampaignSeries,
    ChangeSeries,
    CreateSeries,
    Occurrence,
    SeriesStatus,
    UpcomingOccurrences,
)
from api.deps import CampaignsApprover, CampaignsReader, CampaignsWriter, Cursor, Limit
from api.dto import Id, Page
from api.idempotency import OptionalKey, once
from api.list_filters import MadeWhen
from api.openapi import problems
from api.routing import SliceRouter

router = SliceRouter(prefix="/v1/campaign-series", tags=["campaigns"])
_CHANGES = problems("not-found", "conflict")


@router.post(
    "",
    operation_id="create_campaign_series",
    summary="Create a recurring campaign",
    status_code=201,
    responses=problems("conflict"),
)
async def create_campaign_series(
    caller: CampaignsWriter,
    response: Response,
    wanted: CreateSeries,
    idempotency_key: OptionalKey = None,
) -> CampaignSeries:
    """Each occurrence becomes a campaign, planned `lead_minutes` before its time.

    It waits for its approval, unless a standing approval covers it.
    """
    return await once(
        caller,
        idempotency_key,
        "create_campaign_series",
        wanted,
        response,
        lambda connection: series.create_series(connection, caller, wanted),
        model=CampaignSeries,
    )


@router.get("", operation_id="list_campaign_series", summary="Your recurring campaigns")
async def list_campaign_series(
    caller: CampaignsReader,
    request: Request,
    made: MadeWhen,
    state: SeriesStatus | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[CampaignSeries]:
    """Series, newest first."""
    pager = caller.pager(request, cursor, limit)
    return await series.list_series(caller, pager, made=made, state=state)


@router.get(
    "/{series_id}",
    operation_id="get_campaign_series",
    summary="One recurring campaign",
    responses=problems("not-found"),
)
async def get_campaign_series(caller: CampaignsReader, series_id: Id) -> CampaignSeries:
    """A series, its next occurrence, its standing approval."""
    return caller.conditions.answer(await series.get_series(caller, series_id))


@router.patch(
    "/{series_id}",
    operation_id="change_campaign_series",
    summary="Change a recurring campaign",
    responses=_CHANGES,
)
async def change_campaign_series(
    caller: CampaignsWriter, series_id: Id, wanted: ChangeSeries
) -> CampaignSeries:
    """A change of anything but names and minutes ends the standing approval, and withdraws
    campaigns of the series that have not started: those still ahead are made anew.
    """
    return caller.conditions.answer(await series.change_series(caller, series_id, wanted))


@router.delete(
    "/{series_id}",
    operation_id="delete_campaign_series",
    summary="End a recurring campaign for ever",
    status_code=204,
    responses=problems("not-found"),
)
async def delete_campaign_series(caller: CampaignsWriter, series_id: Id) -> None:
    """Its campaigns stay; those that have not started are cancelled."""
    await series.delete_series(caller, series_id)


@router.post(
    "/{series_id}/approve",
    operation_id="approve_campaign_series",
    summary="Give a standing approval",
    responses=_CHANGES | problems("four-eyes"),
)
async def approve_campaign_series(
    caller: CampaignsApprover, series_id: Id, wanted: ApproveSeries
) -> CampaignSeries:
    """Its plans are approved from now on, while series and template are what was read.

    Where the organisation wants four eyes, not by who last changed the series.
    """
    return await series.approve_series(caller, series_id, wanted.approval_hash)


@router.post(
    "/{series_id}/pause",
    operation_id="pause_campaign_series",
    summary="Pause a recurring campaign",
    responses=_CHANGES,
)
async def pause_campaign_series(caller: CampaignsWriter, series_id: Id) -> CampaignSeries:
    """Nothing more is made, and what has not started is cancelled. A run under way goes on."""
    return await series.pause_series(caller, series_id)


@router.post(
    "/{series_id}/resume",
    operation_id="resume_campaign_series",
    summary="Resume a recurring campaign",
    responses=_CHANGES,
)
async def resume_campaign_series(caller: CampaignsWriter, series_id: Id) -> CampaignSeries:
    """Goes on with the next occurrence from now; what the pause left out stays out."""
    return await series.resume_series(caller, series_id)


@router.get(
    "/{series_id}/upcoming",
    operation_id="preview_campaign_series",
    summary="When it will occur",
    responses=problems("not-found"),
)
async def preview_campaign_series(
    caller: CampaignsReader,
    series_id: Id,
    count: Annotated[int, Query(ge=1, le=100, description="How many at most.")] = 10,
) -> UpcomingOccurrences:
    """The next occurrences as wall clocks of your zone and as instants, also while paused."""
    return await series.upcoming_occurrences(caller, series_id, count)


@router.get(
    "/{series_id}/occurrences",
    operation_id="list_series_occurrences",
    summary="What became of its occurrences",
    responses=problems("not-found"),
)
async def list_series_occurrences(
    caller: CampaignsReader,
    request: Request,
    series_id: Id,
    made: MadeWhen,
    state: Annotated[
        ShownState | None, Query(description="Only those whose campaign is in this state.")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Occurrence]:
    """Each with its campaign, or the reason why there is none; the last first."""
    pager = caller.pager(request, cursor, limit)
    return await series.list_occurrences(caller, series_id, pager, made=made, state=state)
