"""A person's own sessions: listed, ended."""

from uuid import UUID

from api.deps import Caller
from api.dto import Page
from api.list_filters import Made
from api.pagination import Pager
from api.rows import execute, fetch_all
from api.sessions.schemas import Session
from core.errors import NotFound
from core.store.queries import load

_sql = load("sessions")


async def list_sessions(caller: Caller, pager: Pager, made: Made) -> Page[Session]:
    """The caller's living sessions, newest first; a key has none."""
    token = caller.credential.token
    if token is None:
        return pager.page([], lambda row: row.session_id)
    parameters = {
        "tenant_id": caller.tenant_id,
        "user_id": token.user_id,
        "own_session_id": token.session_id,
        "now": caller.state.clock.now(),
        **made.parameters(),
        "after": pager.after_id,
        "limit": pager.fetch,
    }
    async with caller.transaction() as connection:
        rows = await fetch_all(connection, Session, _sql.list_sessions, parameters)
    return pager.page(rows, lambda row: row.session_id)


async def end_session(caller: Caller, session_id: UUID, because: str) -> None:
    """End one of the caller's own sessions. Raises NotFound for anybody else's."""
    token = caller.credential.token
    ended = 0
    caller.audit(target_kind="session", target_id=session_id)
    if token is not None:
        parameters = _ending(caller, because) | {
            "user_id": token.user_id,
            "session_id": session_id,
        }
        async with caller.transaction() as connection:
            ended = await execute(connection, _sql.end_session, parameters)
    if not ended:
        raise NotFound("there is no such session")


async def end_all(caller: Caller) -> None:
    """End every session of the caller, this one too."""
    parameters = _ending(caller, "logout_everywhere") | {
        "user_id": caller.signed_in.user_id,
        "kept_session_id": None,
    }
    caller.audit(target_kind="user", target_id=caller.signed_in.user_id)
    async with caller.transaction() as connection:
        await execute(connection, _sql.end_sessions, parameters)


def _ending(caller: Caller, because: str) -> dict[str, object]:
    return {
        "tenant_id": caller.tenant_id,
        "now": caller.state.clock.now(),
        "because": because,
    }
