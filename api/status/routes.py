"""/v1/status."""

from api.deps import TenantReader
from api.routing import SliceRouter
from api.status import service
from api.status.schemas import SystemStatus

router = SliceRouter(prefix="/v1", tags=["tenant"])


@router.get("/status", operation_id="get_status", summary="What works now")
async def get_status(caller: TenantReader) -> SystemStatus:
    """What is accepted, paused and late now, for you, with the end of it where one is known.

    `stopped`: an operator has stopped sending. `degraded`: something waits or is held back. What is
    accepted is kept in either state, and goes on by itself.
    """
    return await service.get_status(caller)
