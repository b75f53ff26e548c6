"""/v1/numbers."""

from fastapi import APIRouter, Request

from api.deps import Cursor, Limit, NumbersReader, NumbersSyncer
from api.dto import Page
from api.numbers import service
from api.numbers.schemas import Number, NumbersSynced
from api.openapi import problems

router = APIRouter(prefix="/v1/numbers", tags=["numbers"])


@router.get("", operation_id="list_numbers", summary="Your numbers")
async def list_numbers(
    caller: NumbersReader, request: Request, limit: Limit = 50, cursor: Cursor = None
) -> Page[Number]:
    """Every number with its quality, its rate, and what holds it back."""
    return await service.list_numbers(caller, caller.pager(request, cursor, limit))


@router.post(
    "/sync",
    operation_id="sync_numbers",
    summary="Take your numbers over from Meta",
    responses=problems("conflict", "meta-error"),
)
async def sync_numbers(caller: NumbersSyncer) -> NumbersSynced:
    """Reads every number of every account of yours, with quality and throughput."""
    return await service.sync_numbers(caller)
