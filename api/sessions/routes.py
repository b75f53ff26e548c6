"""/v1/login, /v1/token/refresh, /v1/logout, /v1/sessions, /.well-known/jwks.json."""

from dataclasses import asdict

from fastapi import Request, Response

from api.client_address import address_digest
from api.deps import AccountOwner, Cursor, Limit, State
from api.dto import Id, Page
from api.list_filters import MadeWhen
from api.logins import Device
from api.openapi import problems
from api.routing import SliceRouter
from api.sessions import service
from api.sessions.schemas import KeySet, LogIn, PublicKey, Refresh, Session, Tokens

router = SliceRouter()
#: Five minutes: a key is published a day before it signs, so a copy is never too old.
_KEEP_JWKS = "public, max-age=300"


@router.post(
    "/v1/login",
    tags=["login"],
    operation_id="log_in",
    summary="Sign in",
    responses=problems("unauthenticated", "tenant-suspended", "too-many-logins", "unavailable"),
)
async def log_in(state: State, request: Request, who: LogIn) -> Tokens:
    """An access token for 15 minutes, and a refresh token for the next one.

    Unknown people, wrong passwords and suspended people get the same answer in the same time.
    Ten failures on an account, or a hundred from an address, within 15 minutes are enough.
    """
    device = Device(
        address_digest=address_digest(request), client=request.headers.get("user-agent")
    )
    signed_in = await state.logins.log_in(who.slug, who.email, who.password, device)
    return Tokens(**asdict(signed_in))


@router.post(
    "/v1/token/refresh",
    tags=["login"],
    operation_id="refresh_token",
    summary="Stay signed in",
    responses=problems("unauthenticated", "tenant-suspended", "unavailable"),
)
async def refresh_token(state: State, given: Refresh) -> Tokens:
    """New tokens for a refresh token, which works once.

    One that comes back after its use is in two hands: the whole session ends, and both have to
    sign in. A session ends after 30 days without a refresh, and 90 days after it began.
    """
    return Tokens(**asdict(await state.logins.refresh(given.refresh_token)))


@router.post(
    "/v1/logout",
    tags=["login"],
    operation_id="log_out",
    summary="Sign out",
    status_code=204,
)
async def log_out(caller: AccountOwner) -> Response:
    """This session ends with this request: neither of its tokens works any longer."""
    await service.end_session(caller, caller.signed_in.session_id, "logout")
    return Response(status_code=204)


@router.post(
    "/v1/logout-everywhere",
    tags=["login"],
    operation_id="log_out_everywhere",
    summary="Sign out everywhere",
    status_code=204,
)
async def log_out_everywhere(caller: AccountOwner) -> Response:
    """All your sessions end with this request, this one too."""
    await service.end_all(caller)
    return Response(status_code=204)


@router.get(
    "/v1/sessions", tags=["login"], operation_id="list_sessions", summary="Where you are signed in"
)
async def list_sessions(
    caller: AccountOwner,
    request: Request,
    made: MadeWhen,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Session]:
    """Your own living sessions, newest first. An API key has none."""
    return await service.list_sessions(caller, caller.pager(request, cursor, limit), made)


@router.delete(
    "/v1/sessions/{session_id}",
    tags=["login"],
    operation_id="end_session",
    summary="End one of your sessions",
    status_code=204,
    responses=problems("not-found"),
)
async def end_session(caller: AccountOwner, session_id: Id) -> Response:
    """Its tokens are refused from the next request on."""
    await service.end_session(caller, session_id, "closed")
    return Response(status_code=204)


@router.get(
    "/.well-known/jwks.json",
    tags=["login"],
    operation_id="get_jwks",
    summary="The public keys of access tokens",
    responses=problems("unavailable"),
)
async def get_jwks(state: State, response: Response) -> KeySet:
    """The keys that sign now, will sign next, or signed tokens that may still live (RFC 7517)."""
    response.headers["Cache-Control"] = _KEEP_JWKS
    return KeySet(keys=[PublicKey.model_validate(key) for key in await state.signing_keys.jwks()])
