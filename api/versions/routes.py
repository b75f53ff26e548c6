"""/deprecations and /v1/deprecations."""

from typing import Annotated

from fastapi import Query, Request

from api.deps import State, TenantReader
from api.dto import Day
from api.routing import SliceRouter
from api.versions import service
from api.versions.schemas import EndingOperations, UsedOperations

router = SliceRouter(tags=["versions"])


@router.get("/deprecations", operation_id="list_deprecations", summary="What ends, and when")
async def list_deprecations(request: Request, state: State) -> EndingOperations:
    """Operations that end, the next one first: dates, brown-outs and what to use instead."""
    return service.ending(request.app, state.clock.now())


@router.get(
    "/v1/deprecations",
    operation_id="list_deprecated_uses",
    summary="How often you use what ends",
)
async def list_deprecated_uses(
    caller: TenantReader,
    request: Request,
    start: Annotated[
        Day | None, Query(alias="from", description="First day (UTC); 30 days without it.")
    ] = None,
    end: Annotated[
        Day | None, Query(alias="to", description="The day after the last; up to today without.")
    ] = None,
) -> UsedOperations:
    """Every operation that ends, with your uses of it by day of UTC, a few seconds late.

    At most 400 days.
    """
    return await service.uses(caller, request.app, start, end)
