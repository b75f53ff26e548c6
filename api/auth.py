"""Who is calling: API keys of machines, access tokens of people."""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from api.dto import Answer
from api.problems import Problem
from api.rows import execute, fetch_one
from api.scopes import SCOPES_BY_ROLE, Role, Scope
from api.signing_keys import SigningKeys
from api.tokens import AccessToken
from core.clock import Clock
from core.domain.ids import ApiKeyId, TenantId
from core.errors import Unauthenticated
from core.secrets import api_key_matches, api_key_prefix
from core.store.database import Pool, single_statements, tenant_transaction
from core.store.queries import load

_sql = load("access")
_KEY_BRAND: Final = "ctr_live_"
_TOUCH_EVERY_SECONDS: Final = 60.0
#: Far above the longest of ours (a batch of an import, of a cancelled campaign): then 503.
TRANSACTION_SECONDS: Final = 30.0
_MAX_TOUCHED: Final = 10_000
_BAD_CREDENTIAL: Final = "the credential isn't valid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A checked credential: the only source of a tenant id in the API."""

    tenant_id: TenantId
    subject: str
    #: The person behind it: who signed in, or who made the key. An operator's key is its own.
    person: str
    scopes: frozenset[Scope]
    #: Of a person who signed in.
    token: AccessToken | None = None
    #: Of a key that ends.
    expires_at: datetime | None = None


class _KeyRow(Answer):
    tenant_id: UUID
    api_key_id: UUID
    key_hash: bytes
    scopes: list[str]
    expires_at: datetime | None
    revoked_at: datetime | None
    tenant_status: str
    maker_id: UUID | None
    root_key_id: UUID | None
    maker_role: Role | None
    maker_status: str | None

    @property
    def person(self) -> str:
        """Who answers for the key."""
        if self.maker_id is not None:
            return f"user:{self.maker_id}"
        return f"api_key:{self.root_key_id or self.api_key_id}"

    @property
    def allowed(self) -> frozenset[Scope]:
        """What the key was given, as far as its maker may do it now."""
        given = frozenset(scope for scope in Scope if scope in self.scopes)
        return given if self.maker_role is None else given & SCOPES_BY_ROLE[self.maker_role]

    def is_over(self, now: datetime) -> bool:
        """Whether it was revoked, has expired, or its maker is suspended or has left."""
        expired = self.expires_at is not None and self.expires_at <= now
        return self.revoked_at is not None or expired or self.maker_status not in {None, "active"}


class _AccessRow(Answer):
    role: Role
    user_status: str
    tenant_status: str


class Authenticator:
    """Checks credentials against the database on every call: a revocation acts at once."""

    def __init__(self, pool: Pool, clock: Clock, keys: SigningKeys) -> None:
        self._pool = pool
        self._clock = clock
        self._keys = keys
        self._touched: dict[UUID, float] = {}

    async def authenticate(self, bearer: str) -> Credential:
        """The credential behind a bearer text. Raises Unauthenticated or Problem."""
        if bearer.startswith(_KEY_BRAND):
            return await self._by_api_key(bearer)
        return await self._by_token(bearer)

    async def _by_api_key(self, plaintext: str) -> Credential:
        prefix = api_key_prefix(plaintext)
        if prefix is None:
            raise Unauthenticated(_BAD_CREDENTIAL)
        async with single_statements(self._pool, seconds=TRANSACTION_SECONDS) as connection:
            row = await fetch_one(connection, _KeyRow, _sql.find_credential, {"prefix": prefix})
        if row is None or not api_key_matches(plaintext, row.key_hash):
            raise Unauthenticated(_BAD_CREDENTIAL)
        if row.is_over(self._clock.now()):
            raise Unauthenticated(_BAD_CREDENTIAL)
        _require_active(row.tenant_status)
        await self._touch(TenantId(row.tenant_id), ApiKeyId(row.api_key_id))
        return Credential(
            tenant_id=TenantId(row.tenant_id),
            subject=f"api_key:{row.api_key_id}",
            person=row.person,
            scopes=row.allowed,
            expires_at=row.expires_at,
        )

    async def _by_token(self, token: str) -> Credential:
        who = await self._keys.read(token)
        if who is None:
            raise Unauthenticated(_BAD_CREDENTIAL)
        async with single_statements(self._pool, seconds=TRANSACTION_SECONDS) as connection:
            row = await fetch_one(
                connection,
                _AccessRow,
                _sql.find_session,
                {
                    "tenant_id": who.tenant_id,
                    "user_id": who.user_id,
                    "session_id": who.session_id,
                    "now": self._clock.now(),
                },
            )
        if row is None or row.user_status != "active":
            raise Unauthenticated(_BAD_CREDENTIAL)
        _require_active(row.tenant_status)
        return Credential(
            tenant_id=who.tenant_id,
            subject=f"user:{who.user_id}",
            person=f"user:{who.user_id}",
            scopes=SCOPES_BY_ROLE[row.role],
            token=who,
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


def _require_active(tenant_status: str) -> None:
    if tenant_status != "active":
        raise Problem("tenant-suspended", "the tenant isn't active")
