"""The read-only API: while an operator's switch is on, nothing is changed through it.

Meta's webhooks land all the same (they are served before this), and reads and logins work.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import psycopg
from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import problem_response
from api.problems import CATALOGUE
from core.errors import Unavailable
from core.logs import get_logger
from core.store.database import Pool, platform_transaction
from core.store.switches import read_only_until

_FRESH_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 5.0
_LONGEST_RETRY_SECONDS: Final = 300
_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
#: Signing in and out changes nothing of the tenant's; who can't is a support case more.
#: Signing in and out goes on.
ALLOWED: Final = frozenset(
    {
        "/v1/login",
        "/v1/token/refresh",
        "/v1/logout",
        "/v1/logout-everywhere",
        # Questions that are too long, or too personal, for an address.
        "/v1/segments/preview",
        "/v1/quotes",
    }
)
_log = get_logger(__name__)


class ReadOnly:
    """Refuses changes with 503 and Retry-After; the switch is looked at once a second at most."""

    def __init__(self, app: ASGIApp, *, pool: Callable[[], Pool | None]) -> None:
        """`pool` returns None until the API has started."""
        self._app = app
        self._pool = pool
        self._until: datetime | None = None
        self._looked_at = float("-inf")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _changes(scope):
            await self._app(scope, receive, send)
            return
        until = await self._ends_at()
        if until is None:
            await self._app(scope, receive, send)
            return
        left = int((until - datetime.now(UTC)).total_seconds()) + 1
        refusal = problem_response(
            CATALOGUE["read-only"],
            f"an operator has made the API read-only until {until:%Y-%m-%dT%H:%M:%SZ}",
            request_id=scope.get("request_id"),
            headers={"Retry-After": str(max(1, min(left, _LONGEST_RETRY_SECONDS)))},
        )
        await refusal(scope, receive, send)

    async def _ends_at(self) -> datetime | None:
        """When the switch ends; None when it is off, or nobody can be asked."""
        at, pool = time.monotonic(), self._pool()
        if pool is not None and at - self._looked_at >= _FRESH_SECONDS:
            self._looked_at = at
            try:
                async with platform_transaction(pool, seconds=_LOOK_SECONDS) as connection:
                    self._until = await read_only_until(connection)
            except (Unavailable, psycopg.OperationalError) as error:
                # The change itself meets the same database and answers 503 for it.
                _log.warning("the read-only switch could not be read", problem=type(error).__name__)
                self._until = None
        if self._until is not None and self._until <= datetime.now(UTC):
            self._until = None
        return self._until


def _changes(scope: Scope) -> bool:
    path = scope["path"]
    return scope["method"] not in _READS and path.startswith("/v1/") and path not in ALLOWED
