"""Who is calling: API keys of machines, access tokens of people."""

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from api.dto import Answer
from api.problems import Problem
from api.rows import execute, fetch_one
from api.scopes import SCOPES_BY_ROLE, Role, Scope
from api.tokens import LIFETIME, TokenKeys
from core.clock import Clock
from core.domain.ids import ApiKeyId, TenantId, UserId
from core.errors import Unauthenticated
from core.secrets import api_key_matches, api_key_prefix
from core.store.database import Pool, platform_transaction, tenant_transaction
from core.store.queries import load

_sql = load("access")
_KEY_BRAND: Final = "ctr_live_"
_TOUCH_EVERY_SECONDS: Final = 60.0
#: Far above the longest of ours (a batch of an import, of a cancelled campaign): then 503.
TRANSACTION_SECONDS: Final = 30.0
#: Each check takes about 64 MiB; more at once than cores only adds memory.
_PASSWORD_CHECKS_AT_ONCE: Final = 2
_MAX_TOUCHED: Final = 10_000
_BAD_CREDENTIAL: Final = "the credential isn't valid"
_BAD_LOGIN: Final = "the tenant, the address or the password is wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A checked credential: the only source of a tenant id in the API."""

    tenant_id: TenantId
    subject: str
    scopes: frozenset[Scope]


class _KeyRow(Answer):
    tenant_id: UUID
    api_key_id: UUID
    key_hash: bytes
    scopes: list[str]
    expires_at: datetime | None
    revoked_at: datetime | None
    tenant_status: str


class _AccessRow(Answer):
    role: Role
    user_status: str
    tenant_status: str


class _LoginRow(Answer):
    tenant_id: UUID
    user_id: UUID
    password_hash: str
    role: Role
    user_status: str
    tenant_status: str


class Authenticator:
    """Checks credentials against the database on every call: a revocation acts at once."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._keys = TokenKeys()
        self._hasher = PasswordHasher()
        # Unknown people cost the same time as known ones with a wrong password.
        self._nobody = self._hasher.hash("nobody has this password")
        self._password_checks = asyncio.Semaphore(_PASSWORD_CHECKS_AT_ONCE)
        self._touched: dict[UUID, float] = {}

    async def authenticate(self, bearer: str) -> Credential:
        """The credential behind a bearer text. Raises Unauthenticated or Problem."""
        if bearer.startswith(_KEY_BRAND):
            return await self._by_api_key(bearer)
        return await self._by_token(bearer)

    async def log_in(self, slug: str, email: str, password: str) -> tuple[str, int]:
        """An access token and its life in seconds; one message and one time for every failure."""
        async with platform_transaction(self._pool, seconds=TRANSACTION_SECONDS) as connection:
            row = await fetch_one(
                connection, _LoginRow, _sql.find_login, {"slug": slug, "email": email}
            )
        async with self._password_checks:
            matches = await asyncio.to_thread(
                self._password_matches, row.password_hash if row else self._nobody, password
            )
        if row is None or not matches or row.user_status != "active":
            raise Unauthenticated(_BAD_LOGIN)
        _require_active(row.tenant_status)
        token = self._keys.issue(
            TenantId(row.tenant_id), UserId(row.user_id), now=self._clock.now()
        )
        return token, int(LIFETIME.total_seconds())

    async def _by_api_key(self, plaintext: str) -> Credential:
        prefix = api_key_prefix(plaintext)
        if prefix is None:
            raise Unauthenticated(_BAD_CREDENTIAL)
        async with platform_transaction(self._pool, seconds=TRANSACTION_SECONDS) as connection:
            row = await fetch_one(connection, _KeyRow, _sql.find_api_key, {"prefix": prefix})
        if row is None or not api_key_matches(plaintext, row.key_hash):
            raise Unauthenticated(_BAD_CREDENTIAL)
        expired = row.expires_at is not None and row.expires_at <= self._clock.now()
        if row.revoked_at is not None or expired:
            raise Unauthenticated(_BAD_CREDENTIAL)
        _require_active(row.tenant_status)
        await self._touch(TenantId(row.tenant_id), ApiKeyId(row.api_key_id))
        return Credential(
            tenant_id=TenantId(row.tenant_id),
            subject=f"api_key:{row.api_key_id}",
            scopes=frozenset(scope for scope in Scope if scope in row.scopes),
        )

    async def _by_token(self, token: str) -> Credential:
        who = self._keys.read(token, now=self._clock.now())
        if who is None:
            raise Unauthenticated(_BAD_CREDENTIAL)
        async with tenant_transaction(
            self._pool, who.tenant_id, seconds=TRANSACTION_SECONDS
        ) as connection:
            row = await fetch_one(
                connection,
                _AccessRow,
                _sql.get_user_access,
                {"tenant_id": who.tenant_id, "user_id": who.user_id},
            )
        if row is None or row.user_status != "active":
            raise Unauthenticated(_BAD_CREDENTIAL)
        _require_active(row.tenant_status)
        return Credential(
            tenant_id=who.tenant_id,
            subject=f"user:{who.user_id}",
            scopes=SCOPES_BY_ROLE[row.role],
        )

    async def _touch(self, tenant_id: TenantId, api_key_id: ApiKeyId) -> None:
        """Write down the use of a key at most once a minute and process."""
        now = time.monotonic()
        if now - self._touched.get(api_key_id, -_TOUCH_EVERY_SECONDS) < _TOUCH_EVERY_SECONDS:
            return
        if len(self._touched) >= _MAX_TOUCHED:
            self._touched.clear()
        self._touched[api_key_id] = now
        async with tenant_transaction(
            self._pool, tenant_id, seconds=TRANSACTION_SECONDS
        ) as connection:
            await execute(
                connection,
                _sql.touch_api_key,
                {"tenant_id": tenant_id, "api_key_id": api_key_id},
            )

    def _password_matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False


def _require_active(tenant_status: str) -> None:
    if tenant_status != "active":
        raise Problem("tenant-suspended", "the tenant isn't active")
