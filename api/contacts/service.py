"""Single people and lists."""

from uuid import UUID

from api.contacts.schemas import Contact, ContactList, CreateList, SaveContact, SavedContact
from api.deps import Caller
from api.dto import Answer, Page
from api.pagination import Pager
from api.rows import execute, fetch_all, fetch_known
from core.domain.ids import new_id
from core.domain.phone import normalise_phone
from core.store.contacts import Person, save_people
from core.store.database import Connection
from core.store.queries import load

_sql = load("contacts")
_tenants = load("tenants")


class _Region(Answer):
    default_region: str


class _ListId(Answer):
    list_id: UUID
    name: str
    created_at: object
    created: bool


async def save_contact(connection: Connection, caller: Caller, wanted: SaveContact) -> SavedContact:
    """Make or fill in one person. Raises InvalidPhone, NotFound for an unknown list."""
    place = {"tenant_id": caller.tenant_id}
    tenant = await fetch_known(
        connection, _Region, _tenants.get_tenant_region, place, what="tenant"
    )
    phone = normalise_phone(wanted.phone, tenant.default_region)
    person = Person(
        phone=phone, name=wanted.name, language=wanted.language, attributes=wanted.attributes
    )
    [saved] = await save_people(connection, caller.tenant_id, [person])
    if wanted.list_id is not None:
        await _known_list(connection, caller, wanted.list_id)
        await execute(
            connection,
            _sql.add_members,
            {**place, "list_id": wanted.list_id, "contact_ids": [saved.contact_id]},
        )
    contact = await _contact(connection, caller, saved.contact_id)
    return SavedContact(contact=contact, created=saved.created)


async def get_contact(caller: Caller, contact_id: UUID) -> Contact:
    """One person."""
    async with caller.transaction() as connection:
        return await _contact(connection, caller, contact_id)


async def list_contacts(caller: Caller, pager: Pager, list_id: UUID | None) -> Page[Contact]:
    """The tenant's people, or those of one list. Raises NotFound for an unknown list."""
    async with caller.transaction() as connection:
        if list_id is not None:
            await _known_list(connection, caller, list_id)
        rows = await fetch_all(
            connection,
            Contact,
            _sql.list_contacts,
            {
                "tenant_id": caller.tenant_id,
                "after": pager.after_id,
                "list_id": list_id,
                "limit": pager.fetch,
            },
        )
    return pager.page(rows, lambda row: row.contact_id)


async def create_list(caller: Caller, wanted: CreateList) -> tuple[ContactList, bool]:
    """A list by name, and whether it is new."""
    async with caller.transaction() as connection:
        row = await fetch_known(
            connection,
            _ListId,
            _sql.insert_list,
            {"tenant_id": caller.tenant_id, "list_id": new_id(), "name": wanted.name},
            what="list",
        )
        return await _known_list(connection, caller, row.list_id), row.created


async def get_list(caller: Caller, list_id: UUID) -> ContactList:
    """One list and its size."""
    async with caller.transaction() as connection:
        return await _known_list(connection, caller, list_id)


async def list_lists(caller: Caller, pager: Pager) -> Page[ContactList]:
    """The tenant's lists, newest first."""
    async with caller.transaction() as connection:
        rows = await fetch_all(
            connection,
            ContactList,
            _sql.list_lists,
            {"tenant_id": caller.tenant_id, "after": pager.after_id, "limit": pager.fetch},
        )
    return pager.page(rows, lambda row: row.list_id)


async def _contact(connection: Connection, caller: Caller, contact_id: UUID) -> Contact:
    return await fetch_known(
        connection,
        Contact,
        _sql.get_contact,
        {"tenant_id": caller.tenant_id, "contact_id": contact_id},
        what="contact",
    )


async def _known_list(connection: Connection, caller: Caller, list_id: UUID) -> ContactList:
    return await fetch_known(
        connection,
        ContactList,
        _sql.get_list,
        {"tenant_id": caller.tenant_id, "list_id": list_id},
        what="list",
    )
