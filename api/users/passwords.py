"""How people set their passwords: the first with an invitation, the next with the one before."""

from datetime import datetime

from starlette.requests import Request

from api.auth import TRANSACTION_SECONDS
from api.changes import change_of
from api.deps import ApiState, Caller
from api.dto import Answer
from api.logins import Device
from api.problems import Problem
from api.rows import execute, fetch_one
from api.users.schemas import AcceptInvitation, ChangePassword, Joined, User
from core.errors import Conflict, InvalidInput
from core.one_time_tokens import GivenToken, TokenKind, read_token
from core.passwords import refuse_weak_password
from core.store.database import tenant_transaction
from core.store.queries import load

_sql = load("users")
_sessions = load("sessions")
_BAD_INVITATION = "the invitation was used, withdrawn or renewed, or has expired"


class _InvitedRow(Answer):
    email: str
    name: str
    invitation_hash: bytes
    invitation_expires_at: datetime
    slug: str
    tenant_status: str


class _PasswordRow(Answer):
    password_hash: str
    email: str
    name: str
    slug: str


async def accept_invitation(state: ApiState, request: Request, wanted: AcceptInvitation) -> Joined:
    """The person joins. Raises Problem, alike for every reason that a token can be worthless."""
    given = read_token(TokenKind.INVITATION, wanted.token)
    row = None if given is None else await _invited(state, given)
    if given is None or row is None:
        raise Problem("bad-invitation", _BAD_INVITATION)
    name = wanted.name or row.name
    _refuse_weak(wanted.password, (row.email, name, row.slug), pointer="/password")
    parameters = {
        "tenant_id": given.tenant_id,
        "user_id": given.thing_id,
        "name": name,
        "password_hash": await state.passwords.hash(wanted.password),
        "invitation_hash": given.hash,
        "now": state.clock.now(),
    }
    async with tenant_transaction(
        state.pool, given.tenant_id, seconds=TRANSACTION_SECONDS
    ) as connection:
        user = await fetch_one(connection, User, _sql.accept_invitation, parameters)
        change = change_of(request, given.tenant_id, f"user:{given.thing_id}")
        if user is not None and change is not None:
            change.describe("user", given.thing_id, {"role": user.role.value})
            await change.write(connection)
    if user is None:
        raise Problem("bad-invitation", _BAD_INVITATION)
    return Joined(slug=row.slug, user=user)


async def change_password(caller: Caller, wanted: ChangePassword, device: Device) -> None:
    """A new password; the person's other sessions end.

    Raises InvalidInput when the present one is wrong, Problem for a weak new one and after too
    many attempts.
    """
    who = caller.signed_in
    place = {"tenant_id": who.tenant_id, "user_id": who.user_id}
    async with caller.transaction() as connection:
        row = await fetch_one(connection, _PasswordRow, _sql.get_password, place)
    if row is None or not await caller.state.logins.check_password(
        who, row.password_hash, wanted.current_password, device
    ):
        raise InvalidInput("this isn't your password", pointer="/current_password")
    _refuse_weak(wanted.new_password, (row.email, row.name, row.slug), pointer="/new_password")
    new_hash = await caller.state.passwords.hash(wanted.new_password)
    change = {"checked_hash": row.password_hash, "password_hash": new_hash, "changed": True}
    end = {
        "now": caller.state.clock.now(),
        "because": "password_changed",
        "kept_session_id": who.session_id,
    }
    caller.audit(target_kind="user", target_id=who.user_id)
    async with caller.transaction() as connection:
        if not await execute(connection, _sql.replace_password, place | change):
            raise Conflict("the password was changed at the same time")
        await execute(connection, _sessions.end_sessions, place | end)


async def _invited(state: ApiState, given: GivenToken) -> _InvitedRow | None:
    place = {"tenant_id": given.tenant_id, "user_id": given.thing_id}
    async with tenant_transaction(
        state.pool, given.tenant_id, seconds=TRANSACTION_SECONDS
    ) as connection:
        row = await fetch_one(connection, _InvitedRow, _sql.get_invitation, place)
    if row is None or not given.is_the_one(row.invitation_hash):
        return None
    expired = row.invitation_expires_at <= state.clock.now()
    return None if expired or row.tenant_status != "active" else row


def _refuse_weak(password: str, known: tuple[str, ...], *, pointer: str) -> None:
    try:
        refuse_weak_password(password, known=known, pointer=pointer)
    except InvalidInput as error:
        raise Problem("weak-password", error.detail, pointer=pointer) from error
