"""Signing in and staying signed in: sessions, and refresh tokens that each work once.

A session is a family of refresh tokens. Using one makes the next; one that comes back after its use
is in two hands, so the whole family ends.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from api.dto import Answer
from api.login_throttle import LoginThrottle, account_digest
from api.password_work import PasswordWork
from api.problems import Problem
from api.rows import execute, fetch_one
from api.scopes import Role
from api.signing_keys import SigningKeys
from api.tokens import LIFETIME, AccessToken
from core.clock import Clock
from core.domain.audit import ActorKind
from core.domain.ids import TenantId, UserId, new_id
from core.domain.sign_in import canonical_email, canonical_slug
from core.errors import InvalidInput, Unauthenticated
from core.logs import get_logger
from core.one_time_tokens import GivenToken, TokenKind, new_token, read_token
from core.passwords import is_outdated
from core.store import audit
from core.store.database import Connection, Pool, platform_transaction, tenant_transaction
from core.store.queries import load

IDLE: Final = timedelta(days=30)
LONGEST: Final = timedelta(days=90)
_SECONDS: Final = 30.0
_LONGEST_CLIENT: Final = 200
_BAD_LOGIN: Final = "the tenant, the address or the password is wrong"
_BAD_REFRESH: Final = "the refresh token isn't valid: sign in again"
_access = load("access")
_sessions = load("sessions")
_users = load("users")
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """What a person gets: both tokens and how long they are good for."""

    access_token: str
    expires_in: int
    refresh_token: str
    refresh_expires_at: datetime
    session_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """From where somebody signs in: a keyed digest of the address, and the program's own name."""

    address_digest: bytes
    client: str | None


class _PersonRow(Answer):
    tenant_id: UUID
    user_id: UUID
    password_hash: str
    role: Role
    user_status: str
    tenant_status: str
    knows_address: bool


class _RefreshRow(Answer):
    user_id: UUID
    generation: int
    ended_at: datetime | None
    idle_until: datetime
    ends_at: datetime
    token_hash: bytes
    user_status: str
    tenant_status: str


class Logins:
    """Checks passwords and refresh tokens; issues both kinds of token."""

    def __init__(
        self, pool: Pool, clock: Clock, keys: SigningKeys, passwords: PasswordWork
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._keys = keys
        self._passwords = passwords
        self._throttle = LoginThrottle(pool)

    async def log_in(self, slug: str, email: str, password: str, device: Device) -> SignedIn:
        """Begin a session; one message and one time for every failure.

        Raises Unauthenticated, or Problem: 429 after too many failures, 503 when too many try.
        """
        slug, email = _canonical(slug, email)
        row = await self._find(slug, email, device)
        account = account_digest(slug, email)
        if row is not None and row.knows_address:
            account = account_digest(slug, email, device.address_digest.hex())
        async with self._throttle.attempt(account, device.address_digest) as attempt:
            may = row is not None and row.user_status == "active"
            right = await self._passwords.matches(
                row.password_hash if row and may else None, password
            )
            attempt.judge(right=right)
        if row is None or not right:
            raise Unauthenticated(_BAD_LOGIN)
        _require_active(row.tenant_status)
        await self._strengthen(row, password)
        return await self._begin(TenantId(row.tenant_id), UserId(row.user_id), device)

    async def check_password(
        self, who: AccessToken, stored: str, password: str, device: Device
    ) -> bool:
        """Whether a signed-in person knows the password; throttled like a login."""
        account = account_digest("password", str(who.tenant_id), str(who.user_id))
        async with self._throttle.attempt(account, device.address_digest) as attempt:
            right = await self._passwords.matches(stored, password)
            attempt.judge(right=right)
        return right

    async def refresh(self, plaintext: str) -> SignedIn:
        """The next tokens of a session. Raises Unauthenticated; a used token ends the session."""
        given = read_token(TokenKind.REFRESH, plaintext)
        if given is None:
            raise Unauthenticated(_BAD_REFRESH)
        now = self._clock.now()
        async with tenant_transaction(self._pool, given.tenant_id, seconds=_SECONDS) as connection:
            row = await self._lock(connection, given)
            renewed = None
            if row is not None and row.ended_at is None:
                if given.generation != row.generation:
                    await self._end_family(connection, given, row, now)
                elif _may_go_on(row, now):
                    renewed = await self._renew(connection, given, row, now)
        if renewed is None or row is None:
            raise Unauthenticated(_BAD_REFRESH)
        who = _who(given.tenant_id, UserId(row.user_id), given.thing_id)
        return await self._signed_in(who, *renewed)

    async def _find(self, slug: str, email: str, device: Device) -> _PersonRow | None:
        parameters = {"slug": slug, "email": email, "address_digest": device.address_digest}
        async with platform_transaction(self._pool, seconds=_SECONDS) as connection:
            return await fetch_one(connection, _PersonRow, _access.find_person, parameters)

    async def _strengthen(self, row: _PersonRow, password: str) -> None:
        """Hash anew what was hashed with weaker figures than today's."""
        if not is_outdated(row.password_hash):
            return
        parameters = {
            "tenant_id": row.tenant_id,
            "user_id": row.user_id,
            "checked_hash": row.password_hash,
            "password_hash": await self._passwords.hash(password),
            "changed": False,
        }
        tenant_id = TenantId(row.tenant_id)
        async with tenant_transaction(self._pool, tenant_id, seconds=_SECONDS) as connection:
            await execute(connection, _users.replace_password, parameters)

    async def _begin(self, tenant_id: TenantId, user_id: UserId, device: Device) -> SignedIn:
        now = self._clock.now()
        session_id = new_id(now)
        token = new_token(TokenKind.REFRESH, tenant_id, session_id)
        place = {"tenant_id": tenant_id, "user_id": user_id, "session_id": session_id, "now": now}
        idle_until = now + IDLE
        async with tenant_transaction(self._pool, tenant_id, seconds=_SECONDS) as connection:
            await execute(connection, _sessions.forget_sessions, place)
            session = {
                "client": _printable(device.client),
                "address_digest": device.address_digest,
                "idle_until": idle_until,
                "ends_at": now + LONGEST,
            }
            await execute(connection, _sessions.insert_session, place | session)
            first = {"generation": 1, "token_hash": token.hash}
            await execute(connection, _sessions.insert_refresh_token, place | first)
        who = _who(tenant_id, user_id, session_id)
        return await self._signed_in(who, token.plaintext, idle_until)

    async def _lock(self, connection: Connection, given: GivenToken) -> _RefreshRow | None:
        row = await fetch_one(connection, _RefreshRow, _sessions.lock_refresh, _place(given))
        return row if row is not None and given.is_the_one(row.token_hash) else None

    async def _end_family(
        self, connection: Connection, given: GivenToken, row: _RefreshRow, now: datetime
    ) -> None:
        end = {"user_id": row.user_id, "now": now, "because": "refresh_reused"}
        await execute(connection, _sessions.end_session, _place(given) | end)
        entry = audit.NewEntry(
            tenant_id=given.tenant_id,
            actor=f"user:{row.user_id}",
            actor_kind=ActorKind.USER,
            operation="refresh_token",
            target_kind="session",
            target_id=str(given.thing_id),
            request_id=None,
            address_digest=None,
            details={"because": "refresh_reused"},
        )
        await audit.append_if_written(connection, entry)
        _log.warning(
            "a used refresh token came back: its session is ended",
            tenant_id=given.tenant_id,
            user_id=row.user_id,
            session_id=given.thing_id,
        )

    async def _renew(
        self, connection: Connection, given: GivenToken, row: _RefreshRow, now: datetime
    ) -> tuple[str, datetime]:
        following = given.generation + 1
        token = new_token(TokenKind.REFRESH, given.tenant_id, given.thing_id, generation=following)
        idle_until = min(now + IDLE, row.ends_at)
        place = _place(given) | {"now": now}
        await execute(connection, _sessions.use_refresh_token, place)
        after = place | {
            "generation": following,
            "token_hash": token.hash,
            "idle_until": idle_until,
        }
        await execute(connection, _sessions.insert_refresh_token, after)
        await execute(connection, _sessions.renew_session, after)
        return token.plaintext, idle_until

    async def _signed_in(
        self, who: AccessToken, refresh_token: str, refresh_expires_at: datetime
    ) -> SignedIn:
        return SignedIn(
            access_token=await self._keys.issue(who),
            expires_in=int(LIFETIME.total_seconds()),
            refresh_token=refresh_token,
            refresh_expires_at=refresh_expires_at,
            session_id=who.session_id,
        )


def _canonical(slug: str, email: str) -> tuple[str, str]:
    """Both in their one form; what can have none is counted and refused like an unknown one."""
    try:
        return canonical_slug(slug), canonical_email(email)
    except InvalidInput:
        return "", f"{slug}\n{email}"


def _may_go_on(row: _RefreshRow, now: datetime) -> bool:
    if now >= row.idle_until or now >= row.ends_at or row.user_status != "active":
        return False
    _require_active(row.tenant_status)
    return True


def _place(given: GivenToken) -> dict[str, object]:
    return {
        "tenant_id": given.tenant_id,
        "session_id": given.thing_id,
        "generation": given.generation,
    }


def _who(tenant_id: TenantId, user_id: UserId, session_id: UUID) -> AccessToken:
    return AccessToken(tenant_id=tenant_id, user_id=user_id, session_id=session_id)


def _printable(client: str | None) -> str | None:
    """What a program called itself, as PostgreSQL and a screen can take it."""
    kept = "".join(c for c in client or "" if c.isascii() and c.isprintable())
    return kept[:_LONGEST_CLIENT] or None


def _require_active(tenant_status: str) -> None:
    if tenant_status != "active":
        raise Problem("tenant-suspended", "the tenant isn't active")
