"""/v1/users and /v1/invitations."""

from typing import Annotated

from fastapi import Query, Request, Response

from api.client_address import address_digest
from api.deps import AccountOwner, Cursor, Limit, State, UsersManager, UsersReader
from api.dto import Id, Page
from api.list_filters import MadeWhen
from api.logins import Device
from api.openapi import problems
from api.routing import SliceRouter
from api.scopes import Role
from api.users import passwords, service
from api.users.schemas import (
    AcceptInvitation,
    ChangePassword,
    ChangeUser,
    Invitation,
    InviteUser,
    Joined,
    Me,
    User,
    UserStatus,
)

router = SliceRouter(prefix="/v1", tags=["users"])


@router.get("/users/me", operation_id="get_me", summary="Who you are, and what you may do")
async def get_me(caller: AccountOwner) -> Me:
    """The person who has signed in, with the scopes of the role. An API key is nobody."""
    return await service.get_me(caller)


@router.post(
    "/users/me/password",
    operation_id="change_password",
    summary="Change your password",
    status_code=204,
    responses=problems("weak-password", "too-many-logins", "conflict"),
)
async def change_password(
    caller: AccountOwner, request: Request, wanted: ChangePassword
) -> Response:
    """Your other sessions end; this one stays. A wrong password counts like a failed login."""
    device = Device(address_digest=address_digest(request), client=None)
    await passwords.change_password(caller, wanted, device)
    return Response(status_code=204)


@router.get("/users", operation_id="list_users", summary="The people of your tenant")
async def list_users(
    caller: UsersReader,
    request: Request,
    made: MadeWhen,
    state: Annotated[UserStatus | None, Query(description="Only people in this state.")] = None,
    role: Annotated[Role | None, Query(description="Only people with this role.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[User]:
    """Newest first; who left stays listed as `removed`, without an address."""
    pager = caller.pager(request, cursor, limit)
    return await service.list_users(caller, pager, made=made, state=state, role=role)


@router.post(
    "/users",
    operation_id="invite_user",
    summary="Invite a person",
    status_code=201,
    responses=problems("somebody-has-it"),
)
async def invite_user(caller: UsersManager, wanted: InviteUser) -> Invitation:
    """The token is in this answer and nowhere else: we send no mail. It works once, for 7 days.

    You can give a role only if you have all of its scopes.
    """
    return await service.invite(caller, wanted)


@router.get(
    "/users/{user_id}",
    operation_id="get_user",
    summary="One person",
    responses=problems("not-found"),
)
async def get_user(caller: UsersReader, user_id: Id) -> User:
    """One person of your tenant, also one who left."""
    return caller.conditions.answer(await service.get_user(caller, user_id))


@router.patch(
    "/users/{user_id}",
    operation_id="change_user",
    summary="Change name, role or status",
    responses=problems("not-found", "last-owner", "conflict"),
)
async def change_user(caller: UsersManager, user_id: Id, wanted: ChangeUser) -> User:
    """Acts on the person's next request; suspending also ends their sessions and stops their keys.

    You can change only people whose role you could give. The last owner stays one.
    """
    return caller.conditions.answer(await service.change_user(caller, user_id, wanted))


@router.delete(
    "/users/{user_id}",
    operation_id="remove_user",
    summary="Remove a person, or withdraw an invitation",
    status_code=204,
    responses=problems("not-found", "last-owner"),
)
async def remove_user(caller: UsersManager, user_id: Id) -> Response:
    """Sessions end and the keys that the person made stop with the next request.

    The id stays as the author of what was done; the address goes. Rotate a key that shall live on
    before: it is yours then.
    """
    await service.remove_user(caller, user_id)
    return Response(status_code=204)


@router.post(
    "/users/{user_id}/invitation",
    operation_id="renew_invitation",
    summary="Make a new invitation token",
    status_code=201,
    responses=problems("not-found", "conflict"),
)
async def renew_invitation(caller: UsersManager, user_id: Id) -> Invitation:
    """For who hasn't joined yet; the token before stops working."""
    return await service.renew_invitation(caller, user_id)


@router.post(
    "/invitations/accept",
    operation_id="accept_invitation",
    summary="Join with an invitation",
    responses=problems("bad-invitation", "weak-password", "unavailable"),
)
async def accept_invitation(state: State, request: Request, wanted: AcceptInvitation) -> Joined:
    """Sets the password; then POST /v1/login works with the slug and the address of the answer."""
    return await passwords.accept_invitation(state, request, wanted)
