"""What an operator does for tenants: create one, connect its WhatsApp account, give people access.

Synchronous, for commands and tests; each function runs in the caller's connection of role
`operator` and commits nothing by itself.
"""

import secrets
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, LiteralString, cast
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import psycopg

from core.clock import utc_now
from core.domain.ids import ApiKeyId, PhoneNumberId, TenantId, UserId, WabaId, new_id
from core.domain.sign_in import canonical_email, canonical_slug
from core.errors import Conflict, InvalidInput, NotFound
from core.one_time_tokens import TokenKind, new_token
from core.passwords import hash_password, refuse_weak_password
from core.secrets import new_api_key
from core.store.accounts import seal_token
from core.store.price_plans import subscribe
from core.store.queries import load

_tenants = load("tenants")
_access = load("access")
_accounts = load("accounts")
_users = load("users")
INVITATION_LIFETIME: Final = timedelta(days=7)
Connection = psycopg.Connection[tuple[object, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedKey:
    """A new API key; `plaintext` is known only here and now."""

    api_key_id: ApiKeyId
    plaintext: str


def create_tenant(
    connection: Connection,
    *,
    slug: str,
    name: str,
    timezone: str,
    currency: str,
    default_region: str,
    plan: str,
    locale: str = "en",
    valid_from: date | None = None,
) -> TenantId:
    """Create a tenant and subscribe it to a plan by its code.

    `valid_from` is the first day of the subscription in the tenant's zone (default: the first of
    the present month there). Raises InvalidInput for an unknown zone, Conflict for a taken slug,
    NotFound for an unknown plan.
    """
    zone = _zone(timezone)
    tenant_id = TenantId(new_id())
    row = _one(
        connection,
        _tenants.insert_tenant,
        {
            "tenant_id": tenant_id,
            "slug": canonical_slug(slug),
            "name": name,
            "timezone": timezone,
            "currency": currency,
            "locale": locale,
            "default_region": default_region,
            "pseudonym_key": secrets.token_bytes(32),
        },
    )
    if row is None:
        raise Conflict(f"there is a tenant {slug} already")
    first = valid_from or utc_now().astimezone(zone).date().replace(day=1)
    subscribe(connection, tenant_id=tenant_id, plan_code=plan, valid_from=first)
    return tenant_id


def find_tenant(connection: Connection, slug: str) -> TenantId:
    """The tenant of a slug. Raises NotFound."""
    row = _one(connection, _tenants.find_tenant_by_slug, {"slug": slug.strip().lower()})
    if row is None:
        raise NotFound(f"there is no tenant {slug}")
    return TenantId(cast(UUID, row[0]))


def add_account(
    connection: Connection,
    *,
    tenant_id: TenantId,
    waba_id: WabaId,
    portfolio_id: str,
    name: str,
    timezone: str,
    currency: str,
    access_token: str,
) -> None:
    """Connect a WhatsApp account; its token is stored encrypted for this tenant only.

    `timezone` and `currency` are the account's, as Meta bills it. Raises Conflict when the account
    is connected already, to this tenant or another.
    """
    _zone(timezone)
    row = _one(
        connection,
        _accounts.insert_account,
        {
            "tenant_id": tenant_id,
            "waba_id": waba_id,
            "portfolio_id": portfolio_id,
            "name": name,
            "timezone": timezone,
            "currency": currency,
            "access_token_encrypted": seal_token(tenant_id, access_token),
        },
    )
    if row is None:
        raise Conflict("the WhatsApp account is connected already")


def add_number(
    connection: Connection,
    *,
    tenant_id: TenantId,
    waba_id: WabaId,
    phone_number_id: PhoneNumberId,
    display_phone_number: str,
    verified_name: str | None = None,
    throughput_per_second: int = 80,
) -> None:
    """Add a number of a connected account; the same number again is brought up to date.

    Raises Conflict when another tenant has it, NotFound when the account isn't connected.
    """
    try:
        with connection.transaction():
            connection.execute(
                _accounts.upsert_number,
                {
                    "tenant_id": tenant_id,
                    "phone_number_id": phone_number_id,
                    "waba_id": waba_id,
                    "display_phone_number": display_phone_number,
                    "verified_name": verified_name,
                    "quality": "UNKNOWN",
                    "throughput_per_second": throughput_per_second,
                    "synced_at": None,
                },
            )
    except psycopg.errors.UniqueViolation as error:
        raise Conflict("the number belongs to another tenant") from error
    except psycopg.errors.ForeignKeyViolation as error:
        raise NotFound("the tenant has no such WhatsApp account") from error


def create_api_key(
    connection: Connection,
    *,
    tenant_id: TenantId,
    name: str,
    scopes: list[str],
    expires_at: datetime | None = None,
) -> CreatedKey:
    """Make an API key; only its hash is stored."""
    key = new_api_key()
    api_key_id = ApiKeyId(new_id())
    connection.execute(
        _access.insert_api_key,
        {
            "tenant_id": tenant_id,
            "api_key_id": api_key_id,
            "name": name,
            "prefix": key.prefix,
            "key_hash": key.hash,
            "scopes": sorted(set(scopes)),
            "expires_at": expires_at,
            "maker_id": None,
            "root_key_id": None,
            "rotated_from": None,
        },
    )
    return CreatedKey(api_key_id=api_key_id, plaintext=key.plaintext)


def create_user(
    connection: Connection,
    *,
    tenant_id: TenantId,
    email: str,
    name: str,
    role: str,
    password: str,
) -> UserId:
    """Let a person sign in; the password is stored as an argon2id hash.

    Raises InvalidInput for a weak password or what is no address, Conflict for a taken one.
    """
    address = canonical_email(email)
    refuse_weak_password(password, known=(address, name), pointer="/password")
    user_id = UserId(new_id())
    row = _one(
        connection,
        _users.insert_user,
        {
            "tenant_id": tenant_id,
            "user_id": user_id,
            "email": address,
            "name": name,
            "role": role,
            "password_hash": hash_password(password),
        },
    )
    if row is None:
        raise Conflict("somebody with this address exists already")
    return user_id


def invite_user(
    connection: Connection,
    *,
    tenant_id: TenantId,
    email: str,
    name: str,
    role: str,
    invited_by: str = "operator",
) -> str:
    """Invite a person, who sets the password with the token returned; it is shown this once.

    Raises InvalidInput for what is no address, Conflict for a taken one.
    """
    user_id = UserId(new_id())
    token = new_token(TokenKind.INVITATION, tenant_id, user_id)
    row = _one(
        connection,
        _users.insert_invited_user,
        {
            "tenant_id": tenant_id,
            "user_id": user_id,
            "email": canonical_email(email),
            "name": name,
            "role": role,
            "invited_by": invited_by,
            "invitation_hash": token.hash,
            "invitation_expires_at": utc_now() + INVITATION_LIFETIME,
        },
    )
    if row is None:
        raise Conflict("somebody with this address exists already")
    return token.plaintext


def _zone(timezone: str) -> ZoneInfo:
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInput("there is no such time zone", pointer="/timezone") from error


def _one(
    connection: Connection, query: LiteralString, parameters: dict[str, object]
) -> tuple[object, ...] | None:
    return connection.execute(query, parameters).fetchone()
