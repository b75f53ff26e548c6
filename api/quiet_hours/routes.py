"""/v1/quiet-hours."""

from typing import Annotated

from fastapi import Query

from api.deps import CampaignsReader, CampaignsWriter
from api.openapi import problems
from api.quiet_hours import service
from api.quiet_hours.schemas import (
    Category,
    Country,
    PutQuietHours,
    QuietHoursRule,
    QuietHoursRules,
)
from api.routing import SliceRouter

router = SliceRouter(prefix="/v1/quiet-hours", tags=["campaigns"])


@router.get("", operation_id="list_quiet_hours", summary="Your quiet hours")
async def list_quiet_hours(caller: CampaignsReader) -> QuietHoursRules:
    """Every rule. Nothing is quiet until you say so."""
    return caller.conditions.answer(await service.list_rules(caller))


@router.put("", operation_id="put_quiet_hours", summary="Set quiet hours")
async def put_quiet_hours(caller: CampaignsWriter, wanted: PutQuietHours) -> QuietHoursRule:
    """Holds from the next message on, also for campaigns under way: what meets quiet waits.

    If-Match takes the ETag of the whole list, which an answer to GET carries.
    """
    return await service.put_rule(caller, wanted)


@router.delete(
    "",
    operation_id="delete_quiet_hours",
    summary="Take quiet hours back",
    status_code=204,
    responses=problems("not-found"),
)
async def delete_quiet_hours(
    caller: CampaignsWriter,
    country: Annotated[Country, Query()],
    category: Annotated[Category, Query()],
) -> None:
    """A less exact rule may hold in its place. If-Match takes the ETag of the whole list."""
    await service.delete_rule(caller, country, category)
