"""What is answered to somebody who withdraws by a word or a button: once, in the service window."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.domain.ids import ContactId, PhoneNumberId, TenantId, new_id
from core.store.database import Connection
from core.store.queries import load

_SQL = load("opt_outs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """Somebody withdrew in a message to a number."""

    tenant_id: TenantId
    phone_number_id: PhoneNumberId
    contact_id: ContactId
    said_at: datetime


async def list_refusals(
    connection: Connection, people: Collection[tuple[TenantId, ContactId]]
) -> set[ContactId]:
    """Who of these people has withdrawn from marketing as the ledger stands."""
    if not people:
        return set()
    cursor = await connection.execute(
        _SQL.list_refusals,
        {
            "tenant_ids": sorted({tenant_id for tenant_id, _ in people}),
            "contact_ids": sorted({contact_id for _, contact_id in people}),
        },
    )
    return {row[0] for row in await cursor.fetchall()}  # type: ignore[misc]


async def answer_opt_outs(connection: Connection, withdrawals: Sequence[Withdrawal]) -> int:
    """Queue the tenants' answers; returns how many.

    Call after the withdrawals are in the ledger. Without a text of the tenant nothing is answered;
    nobody is answered twice in 24 hours. It is a message like others: the claim asks everything.
    """
    latest = {
        (item.tenant_id, item.phone_number_id, item.contact_id): item
        for item in sorted(withdrawals, key=lambda item: item.said_at)
    }
    if not latest:
        return 0
    chosen = list(latest.values())
    cursor = await connection.execute(
        _SQL.answer_opt_outs,
        {
            "tenant_ids": [item.tenant_id for item in chosen],
            "phone_number_ids": [item.phone_number_id for item in chosen],
            "contact_ids": [item.contact_id for item in chosen],
            "message_ids": [new_id() for _ in chosen],
            "said_ats": [item.said_at for item in chosen],
        },
    )
    return cursor.rowcount
