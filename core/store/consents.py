"""The consent ledger: entries are appended, the state follows in the same transaction."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from core.clock import utc_now
from core.domain.ids import TenantId, new_id
from core.store.database import Connection
from core.store.queries import load

_sql = load("consents")


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """How a consent or a withdrawal was given: where, by which text, with what to show for it."""

    channel: str
    text_version: str | None
    evidence: Mapping[str, str] = field(default_factory=dict)
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentEntry:
    """One person's word about one purpose."""

    contact_id: UUID
    purpose: str
    granted: bool


async def record(
    connection: Connection, tenant_id: TenantId, entries: Sequence[ConsentEntry], basis: Basis
) -> list[UUID]:
    """Append entries, each person and purpose at most once; returns their ids in that order.

    The state changes only if nothing later is known. Call within the tenant's transaction.
    """
    if not entries:
        return []
    consent_ids = [new_id() for _ in entries]
    await connection.execute(
        _sql.record_consents,
        {
            "tenant_id": tenant_id,
            "consent_ids": consent_ids,
            "contact_ids": [entry.contact_id for entry in entries],
            "purposes": [entry.purpose for entry in entries],
            "actions": ["granted" if entry.granted else "revoked" for entry in entries],
            "channel": basis.channel,
            "text_version": basis.text_version,
            "evidence": json.dumps(dict(basis.evidence)),
            "occurred_at": basis.occurred_at or utc_now(),
        },
    )
    return consent_ids


async def granted_states(
    connection: Connection, tenant_id: TenantId, purpose: str, contact_ids: Sequence[UUID]
) -> dict[UUID, bool]:
    """What holds now for those of the people who have said anything about the purpose."""
    if not contact_ids:
        return {}
    cursor = await connection.execute(
        _sql.get_consent_states,
        {"tenant_id": tenant_id, "purpose": purpose, "contact_ids": list(contact_ids)},
    )
    rows = await cursor.fetchall()
    return {
        contact_id: granted
        for contact_id, granted in rows
        if isinstance(contact_id, UUID) and isinstance(granted, bool)
    }
