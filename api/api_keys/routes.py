"""/v1/api-keys."""

from typing import Annotated

from fastapi import Query, Request, Response

from api.api_keys import service
from api.api_keys.schemas import (
    ApiKey,
    ChangeApiKey,
    CreateApiKey,
    KeyState,
    NewApiKey,
    RotateApiKey,
)
from api.deps import Cursor, KeyManager, Limit
from api.dto import Id, Page
from api.list_filters import MadeWhen
from api.openapi import problems
from api.routing import SliceRouter

router = SliceRouter(prefix="/v1", tags=["api-keys"])
_MADE_BY = r"^(user|api_key):[0-9a-f-]{36}$"


@router.post("/api-keys", operation_id="create_api_key", summary="Make an API key", status_code=201)
async def create_api_key(caller: KeyManager, wanted: CreateApiKey) -> NewApiKey:
    """A key with some of your own scopes; its secret is in this answer and nowhere else.

    It counts as you: you can't approve with it what you asked for, and it never does more than you
    may do at that moment.
    """
    return await service.create_api_key(caller, wanted)


@router.get("/api-keys", operation_id="list_api_keys", summary="Your API keys")
async def list_api_keys(
    caller: KeyManager,
    request: Request,
    made: MadeWhen,
    state: Annotated[KeyState | None, Query(description="Only keys in this state.")] = None,
    made_by: Annotated[
        str | None, Query(pattern=_MADE_BY, description="Only keys this person answers for.")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ApiKey]:
    """All keys of the tenant, newest first, revoked ones too."""
    pager = caller.pager(request, cursor, limit)
    return await service.list_api_keys(caller, pager, made=made, state=state, made_by=made_by)


@router.get(
    "/api-keys/{api_key_id}",
    operation_id="get_api_key",
    summary="One API key",
    responses=problems("not-found"),
)
async def get_api_key(caller: KeyManager, api_key_id: Id) -> ApiKey:
    """One key without its secret."""
    return caller.conditions.answer(await service.get_api_key(caller, api_key_id))


@router.patch(
    "/api-keys/{api_key_id}",
    operation_id="change_api_key",
    summary="Change name, scopes or end of a key",
    responses=problems("not-found", "conflict"),
)
async def change_api_key(caller: KeyManager, api_key_id: Id, wanted: ChangeApiKey) -> ApiKey:
    """Acts on the key's next request. You can add only scopes that you have."""
    return caller.conditions.answer(await service.change_api_key(caller, api_key_id, wanted))


@router.post(
    "/api-keys/{api_key_id}/rotate",
    operation_id="rotate_api_key",
    summary="Replace a key, with an overlap",
    status_code=201,
    responses=problems("not-found", "conflict"),
)
async def rotate_api_key(caller: KeyManager, api_key_id: Id, wanted: RotateApiKey) -> NewApiKey:
    """A new key with the same name and scopes; the old one works on for `overlap_seconds`.

    You answer for the new key. You can rotate only a key that may do no more than you.
    """
    return await service.rotate_api_key(caller, api_key_id, wanted)


@router.delete(
    "/api-keys/{api_key_id}",
    operation_id="revoke_api_key",
    summary="Revoke an API key",
    status_code=204,
    responses=problems("not-found"),
)
async def revoke_api_key(caller: KeyManager, api_key_id: Id) -> Response:
    """The key is refused from the next request on."""
    await service.revoke_api_key(caller, api_key_id)
    return Response(status_code=204)
