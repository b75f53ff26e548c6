"""What is kept for a stated time only: keys of requests, sessions, their tokens."""

from typing import Final

from core.store.database import Connection
from core.store.queries import load

IDEMPOTENCY_HOURS: Final = 24
"""How long a request may be repeated with its key (docs/api.md)."""
USED_TOKEN_DAYS: Final = 30
"""So long a refresh token that comes a second time ends its session; a session's longest rest."""
ENDED_SESSION_DAYS: Final = 7
"""After the day it would have ended anyway: 90 days after its start, until when the throttle of
logins knows the address by it."""
_sql = load("leftovers")


async def forget(connection: Connection, *, limit: int) -> int:
    """Delete up to `limit` of each kind; returns how many, `limit` and more when there are more."""
    cleared = 0
    for query, parameters in (
        (_sql.forget_idempotency_keys, {"hours": IDEMPOTENCY_HOURS}),
        (_sql.forget_refresh_tokens, {"days": USED_TOKEN_DAYS}),
        (_sql.forget_sessions, {"days": ENDED_SESSION_DAYS}),
    ):
        cursor = await connection.execute(query, {**parameters, "limit": limit})
        cleared += cursor.rowcount
    return cleared
