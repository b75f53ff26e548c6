"""The key set of this process: read from the database, believed for five seconds.

A rotation therefore reaches every process within five seconds, and a token whose `kid` is new to a
process makes it look at once. While nobody has rotated, the configured key is the only one.
"""

import asyncio
import time
from datetime import datetime
from typing import Final

import psycopg
from joserfc.jwk import OKPKey

from api.dto import Answer
from api.rows import fetch_all
from api.tokens import AccessToken, CheckingKey, KeySet, kid_of
from core.clock import Clock
from core.errors import Unavailable
from core.logs import get_logger
from core.secrets import jwt_private_key_pem
from core.store.database import Pool, platform_transaction
from core.store.queries import load
from core.store.signing_keys import key_id, open_private_key, public_jwk

_sql = load("signing_keys")
_FRESH_SECONDS: Final = 5.0
#: Tokens with an invented `kid` must not make us ask the database for each of them.
_LOOK_AGAIN_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 5.0
_log = get_logger(__name__)


class _KeyRow(Answer):
    kid: str
    state: str
    public_jwk: dict[str, str]
    private_sealed: bytes | None
    retires_at: datetime | None


class SigningKeys:
    """Issues and reads access tokens with the keys that are valid now."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._keys: KeySet | None = None
        self._looked_at = float("-inf")
        self._looking = asyncio.Lock()

    async def issue(self, who: AccessToken) -> str:
        """A token for one person's session. Raises Unavailable."""
        return (await self._fresh(_FRESH_SECONDS)).issue(who, now=self._clock.now())

    async def read(self, token: str) -> AccessToken | None:
        """Who a token speaks for, or None when it isn't exactly one of ours. Raises Unavailable."""
        kid = kid_of(token)
        if kid is None:
            return None
        keys = await self._fresh(_FRESH_SECONDS)
        if kid not in keys.checking:
            keys = await self._fresh(_LOOK_AGAIN_SECONDS)
        return keys.read(token, now=self._clock.now())

    async def jwks(self) -> list[dict[str, str]]:
        """The public halves, the next key's too. Raises Unavailable."""
        return (await self._fresh(_FRESH_SECONDS)).jwks(self._clock.now())

    async def _fresh(self, seconds: float) -> KeySet:
        """The keys, looked at less than `seconds` ago; older ones while nobody can be asked."""
        if self._keys is not None and time.monotonic() - self._looked_at < seconds:
            return self._keys
        async with self._looking:
            if self._keys is not None and time.monotonic() - self._looked_at < seconds:
                return self._keys
            try:
                self._keys = await self._look()
            except (Unavailable, psycopg.OperationalError) as error:
                if self._keys is None:
                    raise
                _log.warning("the signing keys could not be read", problem=type(error).__name__)
            self._looked_at = time.monotonic()
            return self._keys

    async def _look(self) -> KeySet:
        async with platform_transaction(self._pool, seconds=_LOOK_SECONDS) as connection:
            rows = await fetch_all(connection, _KeyRow, _sql.list_signing_keys, {})
        current = next((row for row in rows if row.state == "current"), None)
        if current is None or current.private_sealed is None:
            return _configured()
        return KeySet(
            kid=current.kid,
            private=_private(open_private_key(current.kid, current.private_sealed)),
            checking={
                row.kid: CheckingKey(
                    public=OKPKey.import_key({**row.public_jwk}), retires_at=row.retires_at
                )
                for row in rows
            },
        )


def _configured() -> KeySet:
    pem = jwt_private_key_pem()
    public = public_jwk(pem)
    kid = key_id(public)
    key = CheckingKey(public=OKPKey.import_key({**public}), retires_at=None)
    return KeySet(kid=kid, private=_private(pem), checking={kid: key})


def _private(pem: bytes) -> OKPKey:
    return OKPKey.import_key(pem)
