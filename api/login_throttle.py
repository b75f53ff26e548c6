"""How often somebody may try a password: counted by account and by address, in PostgreSQL.

An attempt is counted before the password is looked at and taken back when it was right, so that a
thousand at once don't all slip through. Unknown accounts are counted like known ones. From an
address where the person has signed in before, the account has a count of its own: strangers who
keep guessing can't keep the person out there.
"""

import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from api.dto import Answer
from api.problems import Problem
from api.rows import execute, fetch_one
from core.logs import get_logger
from core.secrets import subkey
from core.store.database import Pool, platform_transaction
from core.store.queries import load

WINDOW_SECONDS: Final = 900
FREE_FAILURES: Final = 5
MOST_OF_ACCOUNT: Final = 10
MOST_OF_ADDRESS: Final = 100
_TRANSACTION_SECONDS: Final = 30.0
_sql = load("access")
_log = get_logger(__name__)


class _Taken(Answer):
    wait_seconds: int
    taken_at: datetime


@dataclass(slots=True)
class Attempt:
    """One attempt that was let through; `was_right` says whether the password was."""

    was_right: bool = False
    was_judged: bool = False

    def judge(self, *, right: bool) -> None:
        """The password was looked at."""
        self.was_judged, self.was_right = True, right


def account_digest(*parts: str) -> bytes:
    """What an account is counted under: neither address nor slug can be read from it."""
    return hmac.digest(subkey("login-account"), "\n".join(parts).encode(), "sha256")


class LoginThrottle:
    """Lets an attempt through, or raises Problem 429 with how long to wait."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def attempt(self, account: bytes, address: bytes) -> AsyncIterator[Attempt]:
        """Count one attempt; what was right, or never judged for want of a slot, is taken back."""
        counted = {"account": account, "address": address}
        taken = await self._take(counted)
        if taken.wait_seconds > 0:
            _log.warning("a login was throttled", wait_seconds=taken.wait_seconds)
            raise Problem(
                "too-many-logins",
                "too many failed attempts from here or on this account",
                headers={"Retry-After": str(taken.wait_seconds)},
            )
        attempt = Attempt()
        try:
            yield attempt
        finally:
            if attempt.was_right or not attempt.was_judged:
                await self._forgive(counted, taken.taken_at, over=attempt.was_right)

    async def _take(self, counted: dict[str, bytes]) -> _Taken:
        parameters = {
            **counted,
            "free": FREE_FAILURES,
            "most_of_account": MOST_OF_ACCOUNT,
            "most_of_address": MOST_OF_ADDRESS,
            "seconds": WINDOW_SECONDS,
        }
        async with platform_transaction(self._pool, seconds=_TRANSACTION_SECONDS) as connection:
            taken = await fetch_one(connection, _Taken, _sql.take_login_attempt, parameters)
        if taken is None:
            raise LookupError("the throttle's function always answers with one row")
        return taken

    async def _forgive(self, counted: dict[str, bytes], taken_at: datetime, *, over: bool) -> None:
        async with platform_transaction(self._pool, seconds=_TRANSACTION_SECONDS) as connection:
            await execute(
                connection,
                _sql.forgive_login_attempt,
                {**counted, "taken_at": taken_at, "over": over},
            )
