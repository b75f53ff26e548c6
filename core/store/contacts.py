"""Writes people set by set: who is known, who is new, what is new about the known.

A person is found by any written form of the number and by the ids Meta gave it, so a Brazilian with
and without the ninth digit is one person.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from psycopg.rows import class_row

from core.domain.ids import ContactId, TenantId, new_id
from core.domain.phone import PhoneAddress
from core.store.database import Connection
from core.store.queries import load

_sql = load("contacts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What is said about one person; None and missing attributes change nothing."""

    phone: PhoneAddress
    name: str | None = None
    language: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedPerson:
    """What became of one person."""

    contact_id: ContactId
    created: bool
    changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Resolved:
    position: int
    contact_id: UUID


async def save_people(
    connection: Connection, tenant_id: TenantId, people: Sequence[Person]
) -> list[SavedPerson]:
    """Save people, each match key at most once; the answers are in their order.

    Call within the tenant's transaction. Idempotent: saving the same again changes nothing.
    Raises psycopg's UniqueViolation when somebody else makes one of them at this moment; the
    transaction is then to be tried again.
    """
    if not people:
        return []
    await connection.execute(_sql.lock_people, {"tenant_id": tenant_id})
    known = await _resolve(connection, tenant_id, people)
    ids = [known.get(position) or ContactId(new_id()) for position in range(len(people))]
    new = [(ids[at], people[at]) for at in range(len(people)) if at not in known]
    await _insert(connection, tenant_id, new)
    changed = await _update(connection, tenant_id, [(ids[at], people[at]) for at in known])
    return [
        SavedPerson(
            contact_id=contact_id, created=position not in known, changed=contact_id in changed
        )
        for position, contact_id in enumerate(ids)
    ]


async def find_people(
    connection: Connection, tenant_id: TenantId, phones: Sequence[PhoneAddress]
) -> dict[int, ContactId]:
    """Who is known already, by the place of their number; nobody is made."""
    if not phones:
        return {}
    return await _resolve(connection, tenant_id, [Person(phone=phone) for phone in phones])


async def add_members(
    connection: Connection, tenant_id: TenantId, list_id: UUID, contact_ids: Sequence[UUID]
) -> int:
    """Put people on a list; returns how many were not on it yet."""
    cursor = await connection.execute(
        _sql.add_members,
        {"tenant_id": tenant_id, "list_id": list_id, "contact_ids": list(contact_ids)},
    )
    return cursor.rowcount


async def _resolve(
    connection: Connection, tenant_id: TenantId, people: Sequence[Person]
) -> dict[int, ContactId]:
    wanted = [
        (position, kind, value)
        for position, person in enumerate(people)
        for kind, value in _identities(person.phone)
    ]
    async with connection.cursor(row_factory=class_row(_Resolved)) as cursor:
        await cursor.execute(
            _sql.resolve_people,
            {
                "tenant_id": tenant_id,
                "positions": [position for position, _, _ in wanted],
                "kinds": [kind for _, kind, _ in wanted],
                "values": [value for _, _, value in wanted],
            },
        )
        return {row.position: ContactId(row.contact_id) for row in await cursor.fetchall()}


def _identities(phone: PhoneAddress) -> list[tuple[str, str]]:
    return [
        ("phone", phone.match_key),
        *(("wa_id", variant.removeprefix("+")) for variant in phone.variants),
    ]


async def _insert(
    connection: Connection, tenant_id: TenantId, people: Sequence[tuple[ContactId, Person]]
) -> None:
    if not people:
        return
    await connection.execute(
        _sql.insert_people,
        {
            "tenant_id": tenant_id,
            "addresses": [person.phone.e164 for _, person in people],
            "countries": [person.phone.region for _, person in people],
            **_said(people),
        },
    )
    await connection.execute(
        _sql.insert_phone_identities,
        {
            "tenant_id": tenant_id,
            "match_keys": [person.phone.match_key for _, person in people],
            "contact_ids": [contact_id for contact_id, _ in people],
        },
    )


async def _update(
    connection: Connection, tenant_id: TenantId, people: Sequence[tuple[ContactId, Person]]
) -> set[object]:
    if not people:
        return set()
    cursor = await connection.execute(_sql.update_people, {"tenant_id": tenant_id, **_said(people)})
    return {contact_id for (contact_id,) in await cursor.fetchall()}


def _said(people: Sequence[tuple[ContactId, Person]]) -> dict[str, object]:
    return {
        "contact_ids": [contact_id for contact_id, _ in people],
        "names": [person.name for _, person in people],
        "languages": [person.language for _, person in people],
        "timezones": [None for _ in people],
        "attributes": [json.dumps(dict(person.attributes)) for _, person in people],
    }
