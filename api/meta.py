"""Calls to the Cloud API on behalf of a tenant; no transaction is open during one."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from api.deps import Caller
from api.dto import Answer
from api.rows import fetch_all
from core.domain.ids import WabaId
from core.store.accounts import open_token
from core.store.queries import load
from core.whatsapp.client import CloudApi

_sql = load("accounts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One WhatsApp account of the tenant, and a client that holds its token."""

    waba_id: WabaId
    client: CloudApi


class _AccountRow(Answer):
    waba_id: str
    access_token_encrypted: bytes


async def accounts(caller: Caller) -> AsyncIterator[Account]:
    """The tenant's accounts, read at once: no transaction is open while they are used."""
    async with caller.transaction() as connection:
        rows = await fetch_all(
            connection, _AccountRow, _sql.list_accounts, {"tenant_id": caller.tenant_id}
        )
    settings = caller.state.settings
    for row in rows:
        token = open_token(caller.tenant_id, row.access_token_encrypted)
        yield Account(
            waba_id=WabaId(row.waba_id),
            client=CloudApi(
                settings.meta_base_url, settings.meta_api_version, token, caller.state.meta_session
            ),
        )
