"""Two rows that turned out to be one person become one, in the caller's transaction."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from psycopg.rows import class_row

from core.domain.ids import ContactId, MessageId, TenantId, new_id
from core.store import consents, dispatch
from core.store.consents import Word
from core.store.database import Connection
from core.store.queries import load

_SQL = load("merges")
#: Order matters: doubles are found while both rows still stand, recipients before messages.
_MOVES: Final = (
    "forget_marks",
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


async def bar_merges(connection: Connection, tenant_id: TenantId) -> None:
    """Let nobody of this tenant be merged until the transaction ends; many may bar at once.

    Who reads people and writes messages for them takes it before it reads: a merge sees either all
    of those messages or none.
    """
    await connection.execute(_SQL.bar_merges, {"tenant_id": tenant_id})


async def lock_for_merge(
    connection: Connection,
    people: Collection[tuple[TenantId, ContactId]],
    messages: Collection[tuple[TenantId, MessageId]] = (),
) -> dict[ContactId, str]:
    """Lock all that merging these people takes, with `messages`, in the order everybody locks in.

    First the right to merge, then messages by their ids, then people by theirs: so no two
    transactions can each wait for what the other has. Returns the address of everybody who was not
    merged before.
    """
    tenant_ids = sorted({tenant_id for tenant_id, _ in people})
    for tenant_id in tenant_ids:
        await connection.execute(_SQL.lock_merges, {"tenant_id": tenant_id})
    who = {"tenant_ids": tenant_ids, "contact_ids": sorted({one for _, one in people})}
    cursor = await connection.execute(_SQL.list_messages, who)
    rows: list[tuple[TenantId, MessageId]] = await cursor.fetchall()  # type: ignore[assignment]
    found = {*messages, *rows}
    if found:
        await dispatch.lock_messages(
            connection,
            tenant_ids=sorted({tenant_id for tenant_id, _ in found}),
            message_ids=sorted({message_id for _, message_id in found}),
        )
    cursor = await connection.execute(_SQL.lock_contacts, who)
    return dict(await cursor.fetchall())  # type: ignore[arg-type]


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
    rows = await lock_for_merge(connection, {(tenant_id, kept), (tenant_id, merged)})
    if kept == merged or set(rows) != {kept, merged}:
        return False
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
