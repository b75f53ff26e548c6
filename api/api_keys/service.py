"""Makes, lists, changes, rotates and revokes API keys."""

from datetime import datetime, timedelta
from uuid import UUID

from api.api_keys.schemas import (
    ApiKey,
    ChangeApiKey,
    CreateApiKey,
    KeyState,
    NewApiKey,
    RotateApiKey,
)
from api.deps import Caller
from api.dto import Page
from api.list_filters import Made
from api.pagination import Pager
from api.rows import execute, fetch_all, fetch_known
from core.domain.ids import new_id
from core.errors import Conflict, InvalidInput
from core.secrets import new_api_key
from core.store.audit import Detail
from core.store.database import Connection
from core.store.queries import load

_sql = load("access")


async def create_api_key(caller: Caller, wanted: CreateApiKey) -> NewApiKey:
    """A new key. Raises Problem when it would have a scope that its maker lacks."""
    caller.require_all(wanted.scopes, "give this scope")
    _refuse_past(caller, wanted.expires_at)
    async with caller.transaction() as connection:
        return await _insert(
            connection,
            caller,
            name=wanted.name,
            scopes=[scope.value for scope in wanted.scopes],
            expires_at=wanted.expires_at,
        )


async def list_api_keys(
    caller: Caller,
    pager: Pager,
    *,
    made: Made,
    state: KeyState | None,
    made_by: str | None,
) -> Page[ApiKey]:
    """The tenant's keys, newest first, revoked ones too."""
    parameters = {
        "tenant_id": caller.tenant_id,
        "after": pager.after_id,
        "limit": pager.fetch,
        **made.parameters(),
        "state": state,
        "made_by": made_by,
        "now": caller.state.clock.now(),
    }
    async with caller.transaction() as connection:
        rows = await fetch_all(connection, ApiKey, _sql.list_api_keys, parameters)
    return pager.page(rows, lambda row: row.api_key_id)


async def get_api_key(caller: Caller, api_key_id: UUID) -> ApiKey:
    """One key. Raises NotFound."""
    async with caller.transaction() as connection:
        return await _locked(connection, caller, api_key_id)


async def change_api_key(caller: Caller, api_key_id: UUID, wanted: ChangeApiKey) -> ApiKey:
    """Change a key. Raises Problem for scopes that the caller lacks and the key didn't have."""
    if "expires_at" in wanted.model_fields_set:
        _refuse_past(caller, wanted.expires_at)
    async with caller.transaction() as connection:
        known = await _locked(connection, caller, api_key_id)
        caller.conditions.check(known)
        _refuse_dead(caller, known)
        scopes = known.scopes
        if wanted.scopes is not None:
            scopes = sorted({scope.value for scope in wanted.scopes})
            caller.require_all(set(scopes) - set(known.scopes), "give this scope")
        expires_at = known.expires_at
        if "expires_at" in wanted.model_fields_set:
            # A longer life is a gift like a scope: only who has all that the key may do gives it.
            caller.require_all(scopes, "change when this key ends")
            expires_at = wanted.expires_at
        parameters = _place(caller, api_key_id) | {
            "name": wanted.name or known.name,
            "scopes": scopes,
            "expires_at": expires_at,
        }
        return await fetch_known(
            connection, ApiKey, _sql.change_api_key, parameters, what="API key"
        )


async def rotate_api_key(caller: Caller, api_key_id: UUID, wanted: RotateApiKey) -> NewApiKey:
    """A new key in place of one, which works on for the overlap; who rotates it answers for it.

    Raises Problem when the key may do more than the caller: its secret would be a gift.
    """
    now = caller.state.clock.now()
    _refuse_past(caller, wanted.expires_at)
    async with caller.transaction() as connection:
        known = await _locked(connection, caller, api_key_id)
        _refuse_dead(caller, known)
        caller.require_all(known.scopes, "rotate this key")
        until = now + timedelta(seconds=wanted.overlap_seconds)
        if known.expires_at is not None:
            until = min(until, known.expires_at)
        made = await _insert(
            connection,
            caller,
            name=known.name,
            scopes=known.scopes,
            expires_at=wanted.expires_at or known.expires_at,
            rotated_from=api_key_id,
        )
        ending = _place(caller, api_key_id) | {
            "name": known.name,
            "scopes": known.scopes,
            "expires_at": until,
        }
        await execute(connection, _sql.change_api_key, ending)
    return made


async def revoke_api_key(caller: Caller, api_key_id: UUID) -> None:
    """End a key at once, also the one that is used for this call."""
    async with caller.transaction() as connection:
        caller.conditions.check(await _locked(connection, caller, api_key_id))
        await execute(connection, _sql.revoke_api_key, _place(caller, api_key_id))


async def _insert(
    connection: Connection,
    caller: Caller,
    *,
    name: str,
    scopes: list[str],
    expires_at: datetime | None,
    rotated_from: UUID | None = None,
) -> NewApiKey:
    key = new_api_key()
    kind, _, identifier = caller.person.partition(":")
    person = UUID(identifier)
    api_key_id = new_id()
    details: dict[str, Detail] = {"scopes": sorted(set(scopes))}
    if rotated_from is not None:
        details["rotated_from"] = str(rotated_from)
    caller.audit(target_kind="api_key", target_id=api_key_id, details=details)
    parameters = _place(caller, api_key_id) | {
        "name": name,
        "prefix": key.prefix,
        "key_hash": key.hash,
        "scopes": sorted(set(scopes)),
        "expires_at": expires_at,
        "maker_id": person if kind == "user" else None,
        "root_key_id": person if kind == "api_key" else None,
        "rotated_from": rotated_from,
    }
    row = await fetch_known(connection, ApiKey, _sql.insert_api_key, parameters, what="API key")
    return NewApiKey(api_key=row, secret=key.plaintext)


async def _locked(connection: Connection, caller: Caller, api_key_id: UUID) -> ApiKey:
    return await fetch_known(
        connection, ApiKey, _sql.get_api_key, _place(caller, api_key_id), what="API key"
    )


def _refuse_past(caller: Caller, expires_at: datetime | None) -> None:
    if expires_at is not None and expires_at <= caller.state.clock.now():
        raise InvalidInput("the key would have expired already", pointer="/expires_at")


def _refuse_dead(caller: Caller, known: ApiKey) -> None:
    expired = known.expires_at is not None and known.expires_at <= caller.state.clock.now()
    if known.revoked_at is not None or expired:
        raise Conflict("the key is revoked or has expired: make a new one")


def _place(caller: Caller, api_key_id: UUID) -> dict[str, object]:
    return {"tenant_id": caller.tenant_id, "api_key_id": api_key_id}
