"""/v1/login, /v1/tenant, /v1/api-keys."""

from fastapi import APIRouter, Request, Response

from api.deps import Cursor, KeyManager, Limit, State, TenantReader
from api.dto import Id, Page
from api.openapi import problems
from api.tenants import service
from api.tenants.schemas import AccessToken, ApiKey, CreateApiKey, LogIn, NewApiKey, Tenant

router = APIRouter(prefix="/v1")


@router.post(
    "/login",
    tags=["login"],
    operation_id="log_in",
    summary="Sign in",
    responses=problems("unauthenticated", "tenant-suspended"),
)
async def log_in(state: State, who: LogIn) -> AccessToken:
    """An access token for a person, valid for 15 minutes.

    Unknown people, wrong passwords and suspended people get the same answer in the same time.
    """
    token, seconds = await state.authenticator.log_in(who.slug, who.email.lower(), who.password)
    return AccessToken(access_token=token, expires_in=seconds)


@router.get("/tenant", tags=["tenant"], operation_id="get_tenant", summary="Your tenant")
async def get_tenant(caller: TenantReader) -> Tenant:
    """The tenant that the credential belongs to."""
    return await service.get_tenant(caller)


@router.post(
    "/api-keys",
    tags=["tenant"],
    operation_id="create_api_key",
    summary="Make an API key",
    status_code=201,
)
async def create_api_key(caller: KeyManager, wanted: CreateApiKey) -> NewApiKey:
    """A key with some of your own scopes; its secret is in this answer and nowhere else."""
    return await service.create_api_key(caller, wanted)


@router.get("/api-keys", tags=["tenant"], operation_id="list_api_keys", summary="Your API keys")
async def list_api_keys(
    caller: KeyManager, request: Request, limit: Limit = 50, cursor: Cursor = None
) -> Page[ApiKey]:
    """All keys, newest first, revoked ones too."""
    return await service.list_api_keys(caller, caller.pager(request, cursor, limit))


@router.delete(
    "/api-keys/{api_key_id}",
    tags=["tenant"],
    operation_id="revoke_api_key",
    summary="Revoke an API key",
    status_code=204,
    responses=problems("not-found"),
)
async def revoke_api_key(caller: KeyManager, api_key_id: Id) -> Response:
    """The key is refused from the next request on."""
    await service.revoke_api_key(caller, api_key_id)
    return Response(status_code=204)
