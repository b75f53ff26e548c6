"""/v1/usage."""

from typing import Annotated, Literal

from fastapi import Query

from api.deps import UsageReader
from api.dto import Day
from api.openapi import problems
from api.routing import SliceRouter
from api.usage import service
from api.usage.schemas import Usage

router = SliceRouter(prefix="/v1/usage", tags=["usage"])


@router.get(
    "",
    operation_id="get_usage",
    summary="Delivered messages by day",
    responses=problems("warehouse-not-ready"),
)
async def get_usage(
    caller: UsageReader,
    start: Annotated[Day, Query(alias="from", description="First day, in your zone.")],
    end: Annotated[Day, Query(alias="to", description="The day after the last.")],
    category: Literal["marketing", "utility", "authentication", "service"] | None = None,
) -> Usage:
    """What was delivered, by day of your zone, category, market and pricing type.

    Published after each run of the data path, when its checks have passed; at most 93 days.
    """
    return await service.get_usage(caller, start, end, category)
