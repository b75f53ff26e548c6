"""What the applier reads and writes: raw bodies, status keys, messages, orphans, quarantine."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, NamedTuple, cast

from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from core.domain.ids import ContactId, MessageId, PhoneNumberId, TemplateId, TenantId, WabaId
from core.store import dispatch
from core.store.arrays import as_array
from core.store.database import Connection
from core.store.queries import load

_SQL = load("webhooks")
_MAX_BATCH_BYTES: Final = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DueBody:
    """A webhook body that is ours to apply in this transaction."""

    body_id: int
    received_at: datetime
    attempts: int
    body: bytes


FoundOrphan = tuple[dict[str, object], int, datetime]
"""A status that waited for its message: the update, its body, when it was first seen."""


@dataclass(slots=True, kw_only=True)
class KnownMessage:
    """A message as it stands, locked. The applier moves it in place: copies cost 30 us a status."""

    tenant_id: TenantId
    message_id: MessageId
    phone_number_id: PhoneNumberId
    waba_id: WabaId
    contact_id: ContactId
    template_id: TemplateId | None
    address: str
    state: str
    reason: str | None
    error_code: int | None
    conflict: str | None
    attempt_no: int
    wamid: str | None
    billable: bool | None
    pricing_model: str | None
    pricing_type: str | None
    pricing_category: str | None
    accepted_at: datetime | None
    sent_at: datetime | None
    delivered_at: datetime | None
    read_at: datetime | None
    failed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One business fact about one message: becomes one row of raw.message_events."""

    message_id: MessageId
    event_type: str
    occurred_at: datetime
    attempt_no: int
    billable: bool | None = None
    pricing_model: str | None = None
    pricing_type: str | None = None
    pricing_category: str | None = None
    error_code: int | None = None


class StatusKey(NamedTuple):
    """What makes a status one status, however often Meta repeats it."""

    tenant_id: TenantId
    wamid: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWamid:
    """A wamid that a status taught us, and the attempt it belongs to."""

    tenant_id: TenantId
    wamid: str
    message_id: MessageId
    attempt_no: int


async def take_due_bodies(connection: Connection, *, limit: int) -> list[DueBody]:
    """Lock and read the oldest bodies that wait, at most 2 MB of them (but at least one)."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_SQL.list_due_bodies, {"limit": limit})
        rows = await cursor.fetchall()
        chosen: list[dict[str, Any]] = []
        total = 0
        for row in rows:
            total += row["bytes"]
            if chosen and total > _MAX_BATCH_BYTES:
                break
            chosen.append(row)
        if not chosen:
            return []
        await cursor.execute(
            _SQL.read_bodies,
            {
                "body_ids": [row["body_id"] for row in chosen],
                "received_ats": [row["received_at"] for row in chosen],
            },
        )
        bodies = {row["body_id"]: bytes(row["body"]) for row in await cursor.fetchall()}
    return [
        DueBody(
            body_id=row["body_id"],
            received_at=row["received_at"],
            attempts=row["attempts"],
            body=bodies[row["body_id"]],
        )
        for row in chosen
    ]


async def delete_applied(connection: Connection, body_ids: Sequence[int]) -> None:
    """Take bodies out of the queue; their raw rows stay."""
    await connection.execute(_SQL.delete_applied, {"body_ids": list(body_ids)})


async def postpone_body(connection: Connection, *, body_id: int, seconds: float) -> None:
    """Try a body again later."""
    await connection.execute(_SQL.postpone_body, {"body_id": body_id, "seconds": seconds})


async def count_waiting(connection: Connection) -> int:
    """Bodies that wait for the applier, at most 100,000."""
    cursor = await connection.execute(_SQL.count_waiting)
    row = await cursor.fetchone()
    return int(str(row[0])) if row else 0


async def list_number_owners(
    connection: Connection, phone_number_ids: Sequence[PhoneNumberId]
) -> dict[PhoneNumberId, tuple[TenantId, WabaId]]:
    """Tenant and account of each known number."""
    cursor = await connection.execute(
        _SQL.list_number_owners, {"phone_number_ids": list(phone_number_ids)}
    )
    return {row[0]: (row[1], row[2]) for row in await cursor.fetchall()}  # type: ignore[misc]


async def list_account_owners(
    connection: Connection, waba_ids: Sequence[WabaId]
) -> dict[WabaId, TenantId]:
    """Tenant of each known account."""
    cursor = await connection.execute(_SQL.list_account_owners, {"waba_ids": list(waba_ids)})
    return dict(await cursor.fetchall())  # type: ignore[arg-type]


async def find_by_wamids(
    connection: Connection, wanted: Sequence[tuple[TenantId, str]]
) -> dict[tuple[TenantId, str], tuple[MessageId, int]]:
    """Message and attempt of each known (tenant, wamid)."""
    if not wanted:
        return {}
    cursor = await connection.execute(
        _SQL.find_by_wamids,
        {
            "tenant_ids": as_array([item[0] for item in wanted]),
            "wamids": as_array([item[1] for item in wanted]),
        },
    )
    return {
        (row[0], row[1]): (row[2], row[3])  # type: ignore[misc]
        for row in await cursor.fetchall()
    }


async def insert_status_keys(
    connection: Connection, keys: Sequence[tuple[StatusKey, datetime]]
) -> set[StatusKey]:
    """Remember statuses; returns those that are new, and only they may have an effect."""
    if not keys:
        return set()
    cursor = await connection.execute(
        _SQL.insert_status_keys,
        {
            "tenant_ids": as_array([key.tenant_id for key, _ in keys]),
            "wamids": as_array([key.wamid for key, _ in keys]),
            "statuses": as_array([key.status for key, _ in keys]),
            "occurred_ats": as_array([at for _, at in keys]),
        },
    )
    return set(await cursor.fetchall())  # type: ignore[arg-type] # a tuple equals its NamedTuple


async def list_failed_wamids(
    connection: Connection, wamids: Sequence[tuple[TenantId, str]]
) -> set[tuple[TenantId, str]]:
    """Which of these were told as failed, in this transaction or before."""
    if not wamids:
        return set()
    cursor = await connection.execute(
        _SQL.list_failed_wamids,
        {
            "tenant_ids": [tenant_id for tenant_id, _ in wamids],
            "wamids": [wamid for _, wamid in wamids],
        },
    )
    rows = cast("list[tuple[TenantId, str]]", await cursor.fetchall())
    return set(rows)


async def lock_messages(
    connection: Connection, wanted: Sequence[tuple[TenantId, MessageId]]
) -> dict[MessageId, KnownMessage]:
    """Lock these messages, in the order of their ids, and read how they stand."""
    if not wanted:
        return {}
    ids = [message_id for _, message_id in wanted]
    tenants = list({tenant_id for tenant_id, _ in wanted})
    await dispatch.lock_messages(connection, tenant_ids=tenants, message_ids=ids)
    async with connection.cursor(row_factory=class_row(KnownMessage)) as cursor:
        await cursor.execute(
            _SQL.read_messages,
            {
                "tenant_ids": as_array([tenant_id for tenant_id, _ in wanted]),
                "message_ids": as_array(ids),
                "lowest": ids[0],
                "highest": ids[-1],
            },
        )
        return {row.message_id: row for row in await cursor.fetchall()}


_CHANGED_COLUMNS: Final = (
    "tenant_id",
    "message_id",
    "state",
    "reason",
    "error_code",
    "conflict",
    "wamid",
    "billable",
    "pricing_model",
    "pricing_type",
    "pricing_category",
    "accepted_at",
    "sent_at",
    "delivered_at",
    "read_at",
    "failed_at",
)


async def apply_facts(
    connection: Connection,
    *,
    changed: Sequence[KnownMessage],
    facts: Sequence[Fact],
    wamids: Sequence[NewWamid],
) -> None:
    """Write changed messages (locked by `lock_messages`), an event a fact, and new wamids.

    `changed` comes in the order of the ids.
    """
    if not changed:
        return
    parameters: dict[str, object] = {
        _plural(name): as_array(list(map(attrgetter(name), changed))) for name in _CHANGED_COLUMNS
    }
    parameters |= {
        f"event_{_plural(field.name)}": as_array(list(map(attrgetter(field.name), facts)))
        for field in fields(Fact)
    }
    parameters["event_types"] = parameters.pop("event_event_types")
    parameters |= {
        "lowest": changed[0].message_id,
        "highest": changed[-1].message_id,
        "wamid_tenant_ids": as_array([item.tenant_id for item in wamids]),
        "new_wamids": as_array([item.wamid for item in wamids]),
        "wamid_message_ids": as_array([item.message_id for item in wamids]),
        "wamid_attempt_nos": as_array([item.attempt_no for item in wamids]),
    }
    await connection.execute(_SQL.apply_facts, parameters)


def _plural(column: str) -> str:
    return f"{column[:-1]}ies" if column.endswith("ry") else f"{column}s"


async def insert_orphan(
    connection: Connection,
    *,
    tenant_id: TenantId,
    phone_number_id: PhoneNumberId,
    wamid: str,
    status: str,
    update: dict[str, object],
    body_id: int,
) -> None:
    """Keep a status until its message turns up."""
    await connection.execute(
        _SQL.insert_orphan,
        {
            "tenant_id": tenant_id,
            "phone_number_id": phone_number_id,
            "wamid": wamid,
            "status": status,
            "update_json": Jsonb(update),
            "body_id": body_id,
        },
    )


async def take_found_orphans(connection: Connection, *, limit: int) -> list[FoundOrphan]:
    """Orphans whose message has turned up, removed."""
    cursor = await connection.execute(_SQL.take_found_orphans, {"limit": limit})
    return list(await cursor.fetchall())  # type: ignore[arg-type]


async def quarantine_old_orphans(connection: Connection, *, days: int) -> int:
    """Put orphans aside after `days`; returns how many."""
    cursor = await connection.execute(_SQL.quarantine_old_orphans, {"days": days})
    return cursor.rowcount


async def quarantine_update(
    connection: Connection,
    *,
    tenant_id: TenantId | None,
    body_id: int,
    received_at: datetime,
    update_index: int,
    reason: str,
    detail: str,
) -> None:
    """Put one update aside; `reason` is a fixed word, `detail` quotes nothing."""
    await connection.execute(
        _SQL.quarantine_update,
        {
            "tenant_id": tenant_id,
            "body_id": body_id,
            "received_at": received_at,
            "update_index": update_index,
            "reason": reason,
            "detail": detail,
        },
    )


async def find_contact(
    connection: Connection,
    *,
    tenant_id: TenantId,
    wa_id: str | None,
    user_id: str | None,
    match_key: str | None,
) -> ContactId | None:
    """The person behind an address of Meta's, or None."""
    cursor = await connection.execute(
        _SQL.find_contact,
        {"tenant_id": tenant_id, "wa_id": wa_id, "user_id": user_id, "match_key": match_key},
    )
    row = await cursor.fetchone()
    return row[0] if row else None  # type: ignore[return-value]
