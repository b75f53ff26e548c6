"""Audit entries: written with the change, sealed into chains, read back and checked.

Requests and operators' commands write through here, each in the transaction of the change itself,
so that both are kept or neither. Only the sealer (sender/settler) fills sequence and hashes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from core.domain.audit import PLATFORM, START, ActorKind, AuditEntry, Head, Link, extend
from core.domain.ids import TenantId
from core.store.database import Connection
from core.store.queries import load

_SQL = load("audit")
OperatorConnection = psycopg.Connection[tuple[object, ...]]
_PAGE: Final = 2_000
_NIL: Final = UUID(int=0)
KEEP_MONTHS: Final = 60
_DAYS_AHEAD: Final = 45
#: What details may hold: ids, names of fields, counts. Fractions have no one text to hash.
Detail = str | int | bool | None | list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEntry:
    """An entry to be written; the database adds its id and its time."""

    tenant_id: TenantId
    actor: str
    actor_kind: ActorKind
    operation: str
    target_kind: str
    target_id: str
    request_id: UUID | None = None
    address_digest: bytes | None = None
    details: Mapping[str, Detail] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """One tenant's chain; `slug` is None for the platform's, and for a tenant that is gone."""

    tenant_id: TenantId
    slug: str | None
    head: Head | None
    start: Head

    @property
    def name(self) -> str:
        """How people call it."""
        return self.slug or ("platform" if self.tenant_id == PLATFORM else str(self.tenant_id))


async def append_if_written(connection: Connection, entry: NewEntry) -> bool:
    """Add the entry of a request when its transaction has written anything; says whether it did."""
    return (await connection.execute(_SQL.append_entry, _values(entry))).rowcount == 1


async def append(connection: Connection, entry: NewEntry) -> None:
    """Add an entry, whatever else the transaction does."""
    await connection.execute(_SQL.record_entry, _values(entry))


def record(connection: OperatorConnection, entry: NewEntry) -> None:
    """Add an entry of an operator's command, in its own transaction."""
    connection.execute(_SQL.record_entry, _values(entry))


def record_if_written(connection: OperatorConnection, entry: NewEntry) -> bool:
    """Add an operator's entry when its transaction has written anything; says whether it did."""
    return connection.execute(_SQL.append_entry, _values(entry)).rowcount == 1


def find_owner(connection: OperatorConnection, kind: str, thing_id: str) -> TenantId:
    """Whose chain tells what happens to a thing; the platform's for what no tenant owns."""
    values = {"kind": kind, "thing_id": thing_id}
    row = connection.execute(_SQL.find_owner, values).fetchone()
    return TenantId(UUID(str(row[0]))) if row and row[0] else PLATFORM


def record_unspoken(connection: OperatorConnection, *, actor: str, operation: str) -> bool:
    """Add an entry for a command that has written and not said so; True when it was needed."""
    values = {"tenant_id": PLATFORM, "actor": f"operator:{actor}", "operation": operation}
    return connection.execute(_SQL.append_operator_entry, values).rowcount == 1


def operator_entry(
    actor: str,
    operation: str,
    *,
    target: tuple[str, str],
    tenant_id: TenantId = PLATFORM,
    details: Mapping[str, Detail] | None = None,
) -> NewEntry:
    """What an operator did to a target, its kind and id."""
    return NewEntry(
        tenant_id=tenant_id,
        actor=f"operator:{actor}",
        actor_kind=ActorKind.OPERATOR,
        operation=operation,
        target_kind=target[0],
        target_id=target[1],
        details=details or {},
    )


async def seal_batch(connection: Connection, *, limit: int) -> tuple[int, dict[TenantId, Head]]:
    """Put the oldest unsealed entries into their chains; returns how many, and the new heads.

    An entry that commits late gets a later number: what is sealed next is found by having no
    number, never by a position, so nothing is passed over. None when another process is sealing.
    """
    row = await (await connection.execute(_SQL.lead_sealing)).fetchone()
    if row is None or not row[0]:
        return 0, {}
    async with connection.cursor(row_factory=class_row(AuditEntry)) as cursor:
        await cursor.execute(_SQL.list_unsealed, {"limit": limit})
        entries = await cursor.fetchall()
    if not entries:
        return 0, {}
    by_tenant: dict[TenantId, list[AuditEntry]] = {}
    for entry in entries:
        by_tenant.setdefault(entry.tenant_id, []).append(entry)
    heads = await _heads(connection, list(by_tenant))
    moved: dict[TenantId, Head] = {}
    places: list[tuple[AuditEntry, Link]] = []
    for tenant_id, new in by_tenant.items():
        links = extend(heads.get(tenant_id, START), new)
        places += zip(new, links, strict=True)
        moved[tenant_id] = Head(sequence=links[-1].sequence, entry_hash=links[-1].entry_hash)
    await _write_seals(connection, places)
    await _move_heads(connection, moved)
    return len(places), moved


async def measure_lag(connection: Connection) -> float:
    """Seconds that the oldest entry has waited for its seal."""
    row = await (await connection.execute(_SQL.measure_lag)).fetchone()
    return float(str(row[0])) if row else 0.0


async def keep_partitions(connection: Connection) -> int:
    """Create the months ahead and drop those over five years old; returns how many were created."""
    values = {"days_ahead": _DAYS_AHEAD, "keep_months": KEEP_MONTHS}
    row = await (await connection.execute(_SQL.keep_partitions, values)).fetchone()
    return int(str(row[0])) if row else 0


async def get_chain(connection: Connection, tenant_id: TenantId) -> Chain:
    """The ends of one tenant's chain; without a head as long as nothing was sealed."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_SQL.list_chains, {"tenant_id": tenant_id})
        row = await cursor.fetchone()
    if row is None:
        return Chain(tenant_id=tenant_id, slug=None, head=None, start=START)
    return _chain(row)


async def read_page(
    connection: Connection, tenant_id: TenantId, after: tuple[int, UUID], *, limit: int = _PAGE
) -> list[tuple[AuditEntry, Link]]:
    """Sealed entries behind a place, in the order of their chain; none at its end."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_SQL.read_chain, {**_page(tenant_id, after), "limit": limit})
        return [_sealed(row) for row in await cursor.fetchall()]


def hold_snapshot(connection: OperatorConnection) -> None:
    """Let a transaction that has not begun see one and the same instant throughout."""
    connection.execute("set transaction isolation level repeatable read")


def list_chains(
    connection: OperatorConnection, *, tenant_id: TenantId | None = None
) -> list[Chain]:
    """Every chain, or one; also what has sealed entries but, wrongly, no head."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_SQL.list_chains, {"tenant_id": tenant_id}).fetchall()
    chains = [_chain(row) for row in rows]
    headless = connection.execute(_SQL.list_headless).fetchall()
    return chains + [
        Chain(tenant_id=TenantId(UUID(str(row[0]))), slug=None, head=None, start=START)
        for row in headless
        if tenant_id is None or str(row[0]) == str(tenant_id)
    ]


def read_chain(
    connection: OperatorConnection, tenant_id: TenantId
) -> Iterator[tuple[AuditEntry, Link]]:
    """A tenant's sealed entries in the order of their chain, read a page at a time."""
    after: tuple[int, UUID] = (0, _NIL)
    while True:
        with connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(_SQL.read_chain, _page(tenant_id, after)).fetchall()
        for row in rows:
            entry, link = _sealed(row)
            after = (link.sequence, entry.entry_id)
            yield entry, link
        if len(rows) < _PAGE:
            return


def list_latest(
    connection: OperatorConnection,
    *,
    tenant_id: TenantId | None,
    limit: int,
    actor: str | None = None,
    operation: str | None = None,
    target_id: str | None = None,
) -> list[dict[str, object]]:
    """What was done last, the newest first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        values = {
            "tenant_id": tenant_id,
            "limit": limit,
            "actor": actor,
            "operation": operation,
            "target_id": target_id,
        }
        return cursor.execute(_SQL.list_latest, values).fetchall()


def _chain(row: dict[str, Any]) -> Chain:
    return Chain(
        tenant_id=TenantId(row["tenant_id"]),
        slug=row["slug"],
        head=Head(sequence=row["sequence"], entry_hash=row["entry_hash"]),
        start=Head(sequence=row["anchor_sequence"], entry_hash=row["anchor_hash"]),
    )


def _page(tenant_id: TenantId, after: tuple[int, UUID]) -> dict[str, object]:
    place = {"after_sequence": after[0], "after_id": after[1]}
    return {"tenant_id": tenant_id, **place, "limit": _PAGE}


def _sealed(row: dict[str, Any]) -> tuple[AuditEntry, Link]:
    link = Link(
        sequence=row.pop("sequence"),
        previous_hash=row.pop("previous_hash"),
        entry_hash=row.pop("entry_hash"),
    )
    return AuditEntry(**row), link


async def _heads(connection: Connection, tenant_ids: Sequence[TenantId]) -> dict[TenantId, Head]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_SQL.list_heads, {"tenant_ids": list(tenant_ids)})
        rows = await cursor.fetchall()
    return {
        TenantId(row["tenant_id"]): Head(sequence=row["sequence"], entry_hash=row["entry_hash"])
        for row in rows
    }


async def _write_seals(connection: Connection, places: Sequence[tuple[AuditEntry, Link]]) -> None:
    entry_ids = [entry.entry_id for entry, _ in places]
    await connection.execute(
        _SQL.seal_entries,
        {
            "tenant_ids": [entry.tenant_id for entry, _ in places],
            "entry_ids": entry_ids,
            "sequences": [link.sequence for _, link in places],
            "previous_hashes": [link.previous_hash for _, link in places],
            "entry_hashes": [link.entry_hash for _, link in places],
            "lowest": min(entry_ids),
            "highest": max(entry_ids),
        },
    )


async def _move_heads(connection: Connection, heads: Mapping[TenantId, Head]) -> None:
    await connection.execute(
        _SQL.move_heads,
        {
            "tenant_ids": list(heads),
            "sequences": [head.sequence for head in heads.values()],
            "entry_hashes": [head.entry_hash for head in heads.values()],
        },
    )


def _values(entry: NewEntry) -> dict[str, object]:
    return {
        "tenant_id": entry.tenant_id,
        "actor": entry.actor,
        "actor_kind": entry.actor_kind.value,
        "operation": entry.operation,
        "target_kind": entry.target_kind,
        "target_id": entry.target_id,
        "request_id": entry.request_id,
        "address_digest": entry.address_digest,
        "details": Jsonb(dict(entry.details)),
    }
