"""What people write to us: who they are, their messages, the windows these open."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.types.json import Jsonb

from core.domain.consent import ConsentAction, Keywords
from core.domain.ids import ContactId, PhoneNumberId, TenantId, WabaId
from core.store.database import Connection
from core.store.queries import load

_SQL = load("inbound")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Whose number it is, and the portfolio in which business-scoped ids hold."""

    tenant_id: TenantId
    waba_id: WabaId
    portfolio_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One address of a person: kind `bsuid`, `wa_id` or `phone` (the match key)."""

    tenant_id: TenantId
    kind: str
    value: str
    portfolio_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPerson:
    """Somebody who wrote first."""

    tenant_id: TenantId
    contact_id: ContactId
    address: str
    country: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInbound:
    """One message of a person; `body` is what they wrote."""

    tenant_id: TenantId
    inbound_id: UUID
    phone_number_id: PhoneNumberId
    contact_id: ContactId
    wamid: str
    type: str
    body: str | None
    reply_to_wamid: str | None
    button_payload: str | None
    media_id: str | None
    referral: Mapping[str, str] | None
    occurred_at: datetime
    received_at: datetime
    from_history: bool = False
    """Written before the number came to us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """Something a person said that opens or lengthens a service window."""

    tenant_id: TenantId
    phone_number_id: PhoneNumberId
    contact_id: ContactId
    occurred_at: datetime
    referred: bool


async def list_places(
    connection: Connection, phone_number_ids: Sequence[PhoneNumberId]
) -> dict[PhoneNumberId, Place]:
    """Tenant, account and portfolio of each known number."""
    cursor = await connection.execute(
        _SQL.list_number_places, {"phone_number_ids": list(phone_number_ids)}
    )
    return {
        row[0]: Place(tenant_id=row[1], waba_id=row[2], portfolio_id=row[3])  # type: ignore[misc, arg-type]
        for row in await cursor.fetchall()
    }


async def list_account_places(
    connection: Connection, waba_ids: Sequence[WabaId]
) -> dict[WabaId, Place]:
    """Tenant and portfolio of each known account."""
    if not waba_ids:
        return {}
    cursor = await connection.execute(_SQL.list_account_places, {"waba_ids": list(waba_ids)})
    return {
        row[1]: Place(tenant_id=row[0], waba_id=row[1], portfolio_id=row[2])  # type: ignore[misc, arg-type]
        for row in await cursor.fetchall()
    }


async def lock_people(connection: Connection, tenant_ids: Iterable[TenantId]) -> None:
    """Be the one writer of new people of these tenants until the transaction ends."""
    for tenant_id in sorted(set(tenant_ids)):
        await connection.execute(_SQL.lock_people, {"tenant_id": tenant_id})


async def find_people(
    connection: Connection, wanted: Sequence[tuple[int, Address, datetime]]
) -> dict[int, dict[str, ContactId]]:
    """Who was behind the addresses of each position at an instant: kind of address to person."""
    found: dict[int, dict[str, ContactId]] = defaultdict(dict)
    if not wanted:
        return found
    cursor = await connection.execute(
        _SQL.find_people,
        {
            "positions": [position for position, _, _ in wanted],
            "tenant_ids": [address.tenant_id for _, address, _ in wanted],
            "kinds": [address.kind for _, address, _ in wanted],
            "values": [address.value for _, address, _ in wanted],
            "portfolio_ids": [address.portfolio_id for _, address, _ in wanted],
            "occurred_ats": [at for _, _, at in wanted],
        },
    )
    for position, kind, contact_id in await cursor.fetchall():
        found[position][kind] = contact_id  # type: ignore[index, assignment]
    return found


async def insert_people(connection: Connection, people: Sequence[NewPerson]) -> None:
    """Add people who wrote first. Call under `lock_people`."""
    if not people:
        return
    await connection.execute(
        _SQL.insert_people,
        {
            "tenant_ids": [person.tenant_id for person in people],
            "contact_ids": [person.contact_id for person in people],
            "addresses": [person.address for person in people],
            "countries": [person.country for person in people],
        },
    )


async def link_people(connection: Connection, links: Sequence[tuple[Address, ContactId]]) -> None:
    """Remember addresses of people; one that somebody else holds stays theirs."""
    if not links:
        return
    await connection.execute(
        _SQL.link_people,
        {
            "tenant_ids": [address.tenant_id for address, _ in links],
            "kinds": [address.kind for address, _ in links],
            "values": [address.value for address, _ in links],
            "contact_ids": [contact_id for _, contact_id in links],
            "portfolio_ids": [address.portfolio_id for address, _ in links],
        },
    )


async def insert_inbound(connection: Connection, messages: Sequence[NewInbound]) -> set[UUID]:
    """Store messages; returns the ids of those that were not stored before."""
    if not messages:
        return set()
    cursor = await connection.execute(
        _SQL.insert_inbound,
        {
            "tenant_ids": [message.tenant_id for message in messages],
            "inbound_ids": [message.inbound_id for message in messages],
            "phone_number_ids": [message.phone_number_id for message in messages],
            "contact_ids": [message.contact_id for message in messages],
            "wamids": [message.wamid for message in messages],
            "types": [message.type for message in messages],
            "bodies": [message.body for message in messages],
            "reply_to_wamids": [message.reply_to_wamid for message in messages],
            "button_payloads": [message.button_payload for message in messages],
            "media_ids": [message.media_id for message in messages],
            "referrals": [
                None if message.referral is None else Jsonb(dict(message.referral))
                for message in messages
            ],
            "occurred_ats": [message.occurred_at for message in messages],
            "received_ats": [message.received_at for message in messages],
            "from_histories": [message.from_history for message in messages],
        },
    )
    return {row[0] for row in await cursor.fetchall()}  # type: ignore[misc]


async def open_windows(connection: Connection, openings: Sequence[Opening]) -> None:
    """Open or lengthen service windows; an older message never shortens one."""
    if not openings:
        return
    await connection.execute(
        _SQL.open_windows,
        {
            "tenant_ids": [opening.tenant_id for opening in openings],
            "phone_number_ids": [opening.phone_number_id for opening in openings],
            "contact_ids": [opening.contact_id for opening in openings],
            "occurred_ats": [opening.occurred_at for opening in openings],
            "referred": [opening.referred for opening in openings],
        },
    )


async def list_keywords(
    connection: Connection, tenant_ids: Iterable[TenantId]
) -> dict[TenantId, Keywords]:
    """What these tenants added to our own words; a tenant without additions is absent."""
    words: dict[TenantId, dict[str, ConsentAction]] = defaultdict(dict)
    buttons: dict[TenantId, dict[str, ConsentAction]] = defaultdict(dict)
    cursor = await connection.execute(_SQL.list_keywords, {"tenant_ids": sorted(set(tenant_ids))})
    for tenant_id, source, value, action in await cursor.fetchall():
        target = words if source == "word" else buttons
        target[tenant_id][str(value)] = ConsentAction(str(action))  # type: ignore[index]
    return {
        tenant_id: Keywords(words=words[tenant_id], buttons=buttons[tenant_id])
        for tenant_id in {*words, *buttons}
    }


async def retire_addresses(
    connection: Connection,
    *,
    contact_id: ContactId,
    addresses: Sequence[Address],
    at: datetime,
) -> None:
    """A person gave these up at an instant; who writes from them later is somebody else."""
    if not addresses:
        return
    await connection.execute(
        _SQL.retire_addresses,
        {
            "tenant_id": addresses[0].tenant_id,
            "contact_id": contact_id,
            "kinds": [address.kind for address in addresses],
            "values": [address.value for address in addresses],
            "at": at,
        },
    )


async def move_address(
    connection: Connection,
    *,
    contact_id: ContactId,
    new: NewPerson,
    market: str | None,
    timezone: str | None,
    old_addresses: Sequence[str],
) -> None:
    """Write to a person at the new address from now on, if they were written to at an old one.

    `market` and `timezone` are the new address's; None where it does not tell.
    """
    await connection.execute(
        _SQL.move_address,
        {
            "tenant_id": new.tenant_id,
            "contact_id": contact_id,
            "address": new.address,
            "country": new.country,
            "market": market,
            "timezone": timezone,
            "old_addresses": list(old_addresses),
        },
    )
