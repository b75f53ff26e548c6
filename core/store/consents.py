"""The consent ledger: entries are appended, the state follows in the same transaction."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from core.clock import utc_now
from core.domain.ids import TenantId, new_id
from core.store.database import Connection
from core.store.queries import load

_sql = load("consents")
_META_NAMESPACE: Final = UUID("6f0a4c1e-7d6b-5b0e-9a51-0c7a9b2f3d11")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One entry of the ledger as it is written; `consent_id` makes a repetition harmless."""

    tenant_id: TenantId
    consent_id: UUID
    contact_id: UUID
    purpose: str
    granted: bool
    channel: str
    evidence: Mapping[str, str]
    occurred_at: datetime
    text_version: str | None = None


async def record_words(connection: Connection, words: Sequence[Word]) -> None:
    """Append entries to the ledger: the one way by which anything is agreed to or withdrawn.

    They may be of several tenants and repeat each other. The state follows the newest by
    `occurred_at`; older ones are kept in the ledger all the same.
    """
    if not words:
        return
    unique = {(word.tenant_id, word.consent_id): word for word in words}
    ordered = list(unique.values())
    await connection.execute(
        _sql.record_words,
        {
            "tenant_ids": [word.tenant_id for word in ordered],
            "consent_ids": [word.consent_id for word in ordered],
            "contact_ids": [word.contact_id for word in ordered],
            "purposes": [word.purpose for word in ordered],
            "actions": ["granted" if word.granted else "revoked" for word in ordered],
            "channels": [word.channel for word in ordered],
            "text_versions": [word.text_version for word in ordered],
            "evidences": [json.dumps(dict(word.evidence)) for word in ordered],
            "occurred_ats": [word.occurred_at for word in ordered],
        },
    )


async def record(
    connection: Connection, tenant_id: TenantId, entries: Sequence[ConsentEntry], basis: Basis
) -> list[UUID]:
    """Append entries on one basis; returns their ids in that order.

    The state changes only if nothing later is known. Call within the tenant's transaction.
    """
    words = [
        Word(
            tenant_id=tenant_id,
            consent_id=new_id(),
            contact_id=entry.contact_id,
            purpose=entry.purpose,
            granted=entry.granted,
            channel=basis.channel,
            text_version=basis.text_version,
            evidence=basis.evidence,
            occurred_at=basis.occurred_at or utc_now(),
        )
        for entry in entries
    ]
    await record_words(connection, words)
    return [word.consent_id for word in words]


def meta_word(
    *,
    tenant_id: TenantId,
    contact_id: UUID,
    granted: bool,
    channel: str,
    evidence: Mapping[str, str],
    occurred_at: datetime,
) -> Word:
    """A person's word on marketing as Meta passed it on.

    Meta repeats itself: the id is made of what was said, so a repetition changes nothing.
    """
    action = "granted" if granted else "revoked"
    said = f"{tenant_id}/{contact_id}/marketing/{action}/{channel}/{occurred_at.isoformat()}"
    return Word(
        tenant_id=tenant_id,
        consent_id=uuid5(_META_NAMESPACE, said),
        contact_id=contact_id,
        purpose="marketing",
        granted=granted,
        channel=channel,
        evidence=evidence,
        occurred_at=occurred_at,
    )


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
