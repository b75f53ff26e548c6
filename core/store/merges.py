"""Two rows that turned out to be one person become one, in the caller's transaction."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from psycopg.rows import class_row

from core.domain.ids import ContactId, TenantId, new_id
from core.store import consents
from core.store.consents import Word
from core.store.database import Connection
from core.store.queries import load

_SQL = load("merges")
#: Order matters: doubles are found while both rows still stand, recipients before messages.
_MOVES: Final = (
    "move_recipients",
    "move_messages",
    "move_identities",
    "move_inbound",
    "move_members",
    "move_suppression",
    "move_windows",
    "move_waits",
    "move_reach",
    "close_contact",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stricter:
    purpose: str
    granted: bool
    consent_id: UUID
    occurred_at: datetime


async def hold_contacts(
    connection: Connection, people: Collection[tuple[TenantId, ContactId]]
) -> Mapping[ContactId, ContactId]:
    """Who these people are by now; nobody merges them before the transaction ends.

    What somebody says is written to the row that is asked, never to one that was closed meanwhile:
    a withdrawal there would stop nothing.
    """
    tenant_ids = sorted({tenant_id for tenant_id, _ in people})
    now = {contact_id: contact_id for _, contact_id in people}
    asked = set(now)
    while asked:
        cursor = await connection.execute(
            _SQL.hold_contacts, {"tenant_ids": tenant_ids, "contact_ids": sorted(asked)}
        )
        rows: dict[ContactId, ContactId | None] = dict(await cursor.fetchall())  # type: ignore[arg-type]
        into = {gone: kept for gone, kept in rows.items() if kept is not None}
        now = {person: into.get(at, at) for person, at in now.items()}
        asked = set(into.values())
    return now


async def merge_contacts(
    connection: Connection,
    *,
    tenant_id: TenantId,
    kept: ContactId,
    merged: ContactId,
    reason: str,
) -> bool:
    """Let everything of `merged` be `kept`'s; False when either is gone already.

    The stricter consent wins: withdrawn if either row withdrew. A campaign that has both sends
    once: what still waits beside it is cancelled, reason `same_person`. The merged row's ledger
    entries stay where they are; the entry that carries them over names them. Call under
    `inbound.lock_people`.
    """
    who: dict[str, object] = {"tenant_id": tenant_id, "kept": kept, "merged": merged}
    cursor = await connection.execute(_SQL.lock_pair, who)
    rows: dict[object, object] = dict(await cursor.fetchall())  # type: ignore[arg-type]
    if kept == merged or set(rows) != {kept, merged}:
        return False
    await connection.execute(_SQL.lock_messages, who)
    await _carry_consents(connection, tenant_id, kept, merged)
    cursor = await connection.execute(_SQL.cancel_doubles, who)
    cancelled = cursor.rowcount
    for move in _MOVES:
        await connection.execute(_SQL[move], {**who, "address": rows[kept]})
    await connection.execute(
        _SQL.insert_merge, {**who, "merge_id": new_id(), "reason": reason, "cancelled": cancelled}
    )
    return True


async def _carry_consents(
    connection: Connection, tenant_id: TenantId, kept: ContactId, merged: ContactId
) -> None:
    async with connection.cursor(row_factory=class_row(_Stricter)) as cursor:
        await cursor.execute(
            _SQL.list_stricter, {"tenant_id": tenant_id, "kept": kept, "merged": merged}
        )
        stricter = await cursor.fetchall()
    words = [
        Word(
            tenant_id=tenant_id,
            consent_id=new_id(),
            contact_id=kept,
            purpose=state.purpose,
            granted=state.granted,
            channel="merge",
            evidence={"merged_contact": str(merged), "consent": str(state.consent_id)},
            occurred_at=state.occurred_at,
        )
        for state in stricter
    ]
    await consents.record_words(connection, words)
