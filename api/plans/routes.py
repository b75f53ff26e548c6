"""/v1/campaigns/{id}/plan: what a plan holds beside its summary."""

from fastapi import Request

from api.deps import CampaignsReader, Cursor, Limit
from api.dto import Id, Page
from api.openapi import problems
from api.plans import service
from api.plans.schemas import PlanErrors
from api.routing import SliceRouter

router = SliceRouter(prefix="/v1/campaigns/{campaign_id}/plan", tags=["campaigns"])


@router.get(
    "/errors",
    operation_id="list_plan_errors",
    summary="People whose parameters are wrong",
    responses=problems("not-found"),
)
async def list_plan_errors(
    caller: CampaignsReader,
    campaign_id: Id,
    request: Request,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[PlanErrors]:
    """Who was left out of the last plan or dry run for a parameter, which one and why.

    The values themselves are not repeated.
    """
    return await service.list_errors(caller, campaign_id, caller.pager(request, cursor, limit))
