"""/v1/tenant."""

from api.deps import TenantManager, TenantReader
from api.openapi import problems
from api.routing import SliceRouter
from api.tenants import service
from api.tenants.schemas import ChangeTenant, Tenant

router = SliceRouter(prefix="/v1", tags=["tenant"])


@router.get("/tenant", operation_id="get_tenant", summary="Your tenant")
async def get_tenant(caller: TenantReader) -> Tenant:
    """The tenant that the credential belongs to."""
    return caller.conditions.answer(await service.get_tenant(caller))


@router.patch(
    "/tenant",
    operation_id="change_tenant",
    summary="Change your tenant's name and rules",
    responses=problems("conflict"),
)
async def change_tenant(caller: TenantManager, wanted: ChangeTenant) -> Tenant:
    """Caps hold for plans made from now on; blocked countries also for what is queued.

    Four eyes are on at once. They are off when a second owner asks for it within 7 days: the first
    answer shows `four_eyes: true` and who asked.
    """
    return caller.conditions.answer(await service.change_tenant(caller, wanted))
