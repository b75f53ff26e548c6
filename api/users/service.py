"""Invites people, changes what they may do, lets them go.

Nobody gives or touches more than they have: a role is given, and somebody who has it is changed,
only by who has every scope of it. An owner therefore answers to owners only.
"""

from uuid import UUID

from api.deps import Caller
from api.dto import Page
from api.list_filters import Made
from api.pagination import Pager
from api.problems import Problem
from api.rows import execute, fetch_all, fetch_known, fetch_one
from api.scopes import SCOPES_BY_ROLE, Role
from api.users.schemas import (
    ChangeUser,
    Invitation,
    InviteUser,
    Me,
    User,
    UserStatus,
)
from core.domain.ids import new_id
from core.domain.sign_in import canonical_email
from core.errors import Conflict
from core.one_time_tokens import TokenKind, new_token
from core.store.database import Connection
from core.store.queries import load
from core.store.tenants import INVITATION_LIFETIME

_sql = load("users")
_sessions = load("sessions")


async def get_me(caller: Caller) -> Me:
    """Who has signed in, with the scopes of their role."""
    user = await get_user(caller, caller.signed_in.user_id)
    return Me(user=user, scopes=sorted(scope.value for scope in caller.credential.scopes))


async def list_users(
    caller: Caller,
    pager: Pager,
    *,
    made: Made,
    state: UserStatus | None,
    role: Role | None,
) -> Page[User]:
    """The tenant's people, newest first, those who left too."""
    parameters = {
        "tenant_id": caller.tenant_id,
        "after": pager.after_id,
        "limit": pager.fetch,
        **made.parameters(),
        "state": state,
        "role": role,
    }
    async with caller.transaction() as connection:
        rows = await fetch_all(connection, User, _sql.list_users, parameters)
    return pager.page(rows, lambda row: row.user_id)


async def get_user(caller: Caller, user_id: UUID) -> User:
    """One person. Raises NotFound."""
    async with caller.transaction() as connection:
        return await fetch_known(
            connection, User, _sql.get_user, _place(caller, user_id), what="person"
        )


async def invite(caller: Caller, wanted: InviteUser) -> Invitation:
    """Invite somebody. Raises Problem for a role beyond the caller's, and for a taken address."""
    caller.require_all(SCOPES_BY_ROLE[wanted.role], "give this role")
    now = caller.state.clock.now()
    user_id = new_id(now)
    token = new_token(TokenKind.INVITATION, caller.tenant_id, user_id)
    parameters = _place(caller, user_id) | {
        "email": canonical_email(wanted.email),
        "name": wanted.name,
        "role": wanted.role,
        "invited_by": caller.subject,
        "invitation_hash": token.hash,
        "invitation_expires_at": now + INVITATION_LIFETIME,
    }
    caller.audit(target_kind="user", target_id=user_id, details={"role": wanted.role.value})
    async with caller.transaction() as connection:
        user = await fetch_one(connection, User, _sql.insert_invited_user, parameters)
    if user is None:
        raise Problem("somebody-has-it", "somebody with this address is here already")
    return Invitation(user=user, token=token.plaintext)


async def renew_invitation(caller: Caller, user_id: UUID) -> Invitation:
    """A new token in place of the old one. Raises Conflict for who has joined already."""
    token = new_token(TokenKind.INVITATION, caller.tenant_id, user_id)
    async with caller.transaction() as connection:
        known = await _locked(connection, caller, user_id)
        if known.status != UserStatus.INVITED:
            raise Conflict("this person has joined already")
        parameters = _place(caller, user_id) | {
            "invited_by": caller.subject,
            "invitation_hash": token.hash,
            "invitation_expires_at": caller.state.clock.now() + INVITATION_LIFETIME,
        }
        user = await fetch_known(connection, User, _sql.renew_invitation, parameters, what="person")
    return Invitation(user=user, token=token.plaintext)


async def change_user(caller: Caller, user_id: UUID, wanted: ChangeUser) -> User:
    """Change a person. Raises Problem for what is beyond the caller, and for the last owner."""
    async with caller.transaction() as connection:
        await execute(connection, _sql.lock_owners, {"tenant_id": caller.tenant_id})
        known = await _locked(connection, caller, user_id)
        caller.conditions.check(known)
        role = wanted.role or known.role
        status = known.status if wanted.status is None else UserStatus(wanted.status)
        caller.require_all(SCOPES_BY_ROLE[role], "give this role")
        if known.status == UserStatus.INVITED and status != UserStatus.INVITED:
            raise Conflict("this person hasn't joined: withdraw the invitation by DELETE")
        if role != Role.OWNER or status != UserStatus.ACTIVE:
            await _keep_an_owner(connection, caller, known)
        parameters = _place(caller, user_id) | {
            "name": wanted.name or known.name,
            "role": role,
            "status": status,
        }
        caller.audit(details={"role": role.value, "status": status.value})
        if status == UserStatus.SUSPENDED:
            await _end_sessions(connection, caller, user_id, "suspended")
        return await fetch_known(connection, User, _sql.change_user, parameters, what="person")


async def remove_user(caller: Caller, user_id: UUID) -> None:
    """End a membership or withdraw an invitation: sessions and keys of the person stop at once."""
    async with caller.transaction() as connection:
        await execute(connection, _sql.lock_owners, {"tenant_id": caller.tenant_id})
        known = await _locked(connection, caller, user_id)
        caller.conditions.check(known)
        await _keep_an_owner(connection, caller, known)
        await _end_sessions(connection, caller, user_id, "removed")
        parameters = _place(caller, user_id) | {"now": caller.state.clock.now()}
        await execute(connection, _sql.remove_user, parameters)


async def _locked(connection: Connection, caller: Caller, user_id: UUID) -> User:
    """The person, whom the caller may change. Raises NotFound, or Problem for a higher role."""
    parameters = _place(caller, user_id)
    known = await fetch_known(connection, User, _sql.lock_user, parameters, what="person")
    caller.require_all(SCOPES_BY_ROLE[known.role], "change this person")
    return known


async def _keep_an_owner(connection: Connection, caller: Caller, known: User) -> None:
    """Raise Problem when `known` is the last owner who can sign in."""
    if known.role != Role.OWNER or known.status != UserStatus.ACTIVE:
        return
    if await execute(connection, _sql.lock_owners, {"tenant_id": caller.tenant_id}) < 2:
        raise Problem("last-owner", "this is the last owner who can sign in")


async def _end_sessions(
    connection: Connection, caller: Caller, user_id: UUID, because: str
) -> None:
    parameters = _place(caller, user_id) | {
        "now": caller.state.clock.now(),
        "because": because,
        "kept_session_id": None,
    }
    await execute(connection, _sessions.end_sessions, parameters)


def _place(caller: Caller, user_id: UUID) -> dict[str, object]:
    return {"tenant_id": caller.tenant_id, "user_id": user_id}
