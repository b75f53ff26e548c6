"""/v1/numbers and /v1/portfolios, whose limits they share."""

from typing import Annotated

from fastapi import Query, Request

from api.deps import Cursor, Limit, NumbersReader, NumbersSyncer
from api.dto import MetaId, Page
from api.list_filters import MadeWhen
from api.numbers import health, service
from api.numbers.schemas import Number, NumberHealth, NumbersSynced, NumberState, Portfolio
from api.openapi import problems
from api.routing import SliceRouter

router = SliceRouter(prefix="/v1", tags=["numbers"])


@router.get("/numbers", operation_id="list_numbers", summary="Your numbers")
async def list_numbers(
    caller: NumbersReader,
    request: Request,
    made: MadeWhen,
    state: Annotated[NumberState | None, Query(description="Only those in this state.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Number]:
    """Every number with its quality, its rate, and what holds it back."""
    pager = caller.pager(request, cursor, limit)
    return await service.list_numbers(caller, pager, made=made, state=state)


@router.get(
    "/numbers/{phone_number_id}",
    operation_id="get_number",
    summary="One number and its health",
    responses=problems("not-found"),
)
async def get_number(caller: NumbersReader, phone_number_id: MetaId) -> NumberHealth:
    """Its quality and rate, what stopped it and when, the room that its portfolio has left, and
    what became of its latest sends.
    """
    return await health.get_number(caller, phone_number_id)


@router.post(
    "/numbers/sync",
    operation_id="sync_numbers",
    summary="Take your numbers over from Meta",
    responses=problems("conflict", "meta-error", "meta-unreachable"),
)
async def sync_numbers(caller: NumbersSyncer) -> NumbersSynced:
    """Reads every number of every account of yours, with quality and throughput."""
    return await service.sync_numbers(caller)


@router.get("/portfolios", operation_id="list_portfolios", summary="Your messaging limits")
async def list_portfolios(
    caller: NumbersReader,
    request: Request,
    made: MadeWhen,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Portfolio]:
    """How many people each portfolio may begin to write to, and when there is room again."""
    return await service.list_portfolios(caller, caller.pager(request, cursor, limit), made)
