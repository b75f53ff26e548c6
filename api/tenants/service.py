"""Reads the tenant; makes, lists and revokes API keys."""

from uuid import UUID

from api.deps import Caller
from api.dto import Page
from api.pagination import Pager
from api.problems import Problem
from api.rows import execute, fetch_all, fetch_known
from api.tenants.schemas import ApiKey, CreateApiKey, NewApiKey, Tenant
from core.domain.ids import new_id
from core.errors import InvalidInput, NotFound
from core.secrets import new_api_key
from core.store.queries import load

_tenants = load("tenants")
_access = load("access")


async def get_tenant(caller: Caller) -> Tenant:
    """The caller's tenant."""
    async with caller.transaction() as connection:
        return await fetch_known(
            connection,
            Tenant,
            _tenants.get_tenant,
            {"tenant_id": caller.tenant_id},
            what="tenant",
        )


async def create_api_key(caller: Caller, wanted: CreateApiKey) -> NewApiKey:
    """A new key. Raises Problem when it would have a scope that its maker lacks."""
    beyond = [scope for scope in wanted.scopes if scope not in caller.credential.scopes]
    if beyond:
        raise Problem("not-allowed", f"you can't give the scope {beyond[0]}: you lack it")
    if wanted.expires_at is not None and wanted.expires_at <= caller.state.clock.now():
        raise InvalidInput("the key would have expired already", pointer="/expires_at")
    key = new_api_key()
    async with caller.transaction() as connection:
        row = await fetch_known(
            connection,
            ApiKey,
            _access.insert_api_key,
            {
                "tenant_id": caller.tenant_id,
                "api_key_id": new_id(),
                "name": wanted.name,
                "prefix": key.prefix,
                "key_hash": key.hash,
                "scopes": sorted({scope.value for scope in wanted.scopes}),
                "expires_at": wanted.expires_at,
            },
            what="API key",
        )
    return NewApiKey(api_key=row, secret=key.plaintext)


async def list_api_keys(caller: Caller, pager: Pager) -> Page[ApiKey]:
    """The tenant's keys, revoked ones too."""
    async with caller.transaction() as connection:
        rows = await fetch_all(
            connection,
            ApiKey,
            _access.list_api_keys,
            {"tenant_id": caller.tenant_id, "after": pager.after_id, "limit": pager.fetch},
        )
    return pager.page(rows, lambda row: row.api_key_id)


async def revoke_api_key(caller: Caller, api_key_id: UUID) -> None:
    """End a key at once, also the one that is used for this call."""
    async with caller.transaction() as connection:
        known = await execute(
            connection,
            _access.revoke_api_key,
            {"tenant_id": caller.tenant_id, "api_key_id": api_key_id},
        )
    if not known:
        raise NotFound("there is no such API key")
