"""Calls to the Cloud API on behalf of a tenant; no transaction is open during one."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TypeVar

from api.deps import Caller
from api.dto import Answer
from api.rows import fetch_all, fetch_known
from core.domain.ids import WabaId
from core.store.accounts import open_token
from core.store.database import Connection
from core.store.queries import load
from core.whatsapp.client import CloudApi
from core.whatsapp.template_calls import TemplateCalls

_sql = load("accounts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One WhatsApp account of the tenant, and a client that holds its token."""

    waba_id: WabaId
    client: CloudApi


class AccountRow(Answer):
    """An account with its sealed token."""

    waba_id: str
    access_token_encrypted: bytes


async def accounts(caller: Caller) -> AsyncIterator[Account]:
    """The tenant's accounts, read at once: no transaction is open while they are used."""
    async with caller.transaction() as connection:
        rows = await fetch_all(
            connection, AccountRow, _sql.list_accounts, {"tenant_id": caller.tenant_id}
        )
    for row in rows:
        yield Account(waba_id=WabaId(row.waba_id), client=_client(CloudApi, caller, row))


async def template_calls(caller: Caller, waba_id: str) -> TemplateCalls:
    """What changes the templates of one account of the tenant. Raises NotFound."""
    async with caller.transaction(snapshot=True) as connection:
        row = await require_account(connection, caller, waba_id)
    return _client(TemplateCalls, caller, row)


async def require_account(connection: Connection, caller: Caller, waba_id: str) -> AccountRow:
    """One of the tenant's accounts. Raises NotFound."""
    place = {"tenant_id": caller.tenant_id, "waba_id": waba_id}
    return await fetch_known(connection, AccountRow, _sql.get_account, place, what="account")


Client = TypeVar("Client", bound=CloudApi)


def _client(kind: type[Client], caller: Caller, row: AccountRow) -> Client:
    settings = caller.state.settings
    token = open_token(caller.tenant_id, row.access_token_encrypted)
    return kind(settings.meta_base_url, settings.meta_api_version, token, caller.state.meta_session)
