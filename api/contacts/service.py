"""Single people and lists."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from api.contacts.schemas import Contact, ContactList, CreateList, SaveContact, SavedContact
from api.deps import Caller
from api.dto import Answer, Page
from api.list_filters import Made
from api.pagination import Pager
from api.regions import tenant_region
from api.rows import fetch_all, fetch_known
from core.domain.attributes import ADVICE, Attribute, Misfit, canonical_values
from core.domain.ids import new_id
from core.domain.phone import normalise_phone
from core.errors import InvalidInput
from core.store.attributes import list_declared
from core.store.contacts import Person, add_members, save_people
from core.store.database import Connection
from core.store.queries import load

_sql = load("contacts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """When people were last changed: `updated_from <= updated_at < updated_to`."""

    updated_from: datetime | None
    updated_to: datetime | None


class _ListId(Answer):
    list_id: UUID
    name: str
    created_at: object
    created: bool


async def save_contact(connection: Connection, caller: Caller, wanted: SaveContact) -> SavedContact:
    """Make or fill in one person. Raises InvalidPhone, NotFound for an unknown list."""
    region = await tenant_region(connection, caller.tenant_id)
    phone = normalise_phone(wanted.phone, region)
    declared = await list_declared(connection, caller.tenant_id)
    person = Person(
        phone=phone,
        name=wanted.name,
        language=wanted.language,
        attributes=check_values(declared, wanted.attributes),
    )
    [saved] = await save_people(connection, caller.tenant_id, [person])
    if wanted.list_id is not None:
        await known_list(connection, caller, wanted.list_id)
        await add_members(connection, caller.tenant_id, wanted.list_id, [saved.contact_id])
    contact = await _contact(connection, caller, saved.contact_id)
    caller.audit(
        target_kind="contact", target_id=saved.contact_id, details={"created": saved.created}
    )
    return SavedContact(contact=contact, created=saved.created)


async def get_contact(caller: Caller, contact_id: UUID) -> Contact:
    """One person."""
    async with caller.transaction() as connection:
        return await _contact(connection, caller, contact_id)


async def list_contacts(
    caller: Caller, pager: Pager, *, list_id: UUID | None, made: Made, changed: Changed
) -> Page[Contact]:
    """The tenant's people, or those of one list. Raises NotFound for an unknown list."""
    async with caller.transaction() as connection:
        if list_id is not None:
            await known_list(connection, caller, list_id)
        rows = await fetch_all(
            connection,
            Contact,
            _sql.list_contacts,
            {
                "tenant_id": caller.tenant_id,
                "after": pager.after_id,
                "list_id": list_id,
                **made.near_ids(),
                **asdict(changed),
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
        caller.audit(target_kind="list", target_id=row.list_id, details={"created": row.created})
        return await known_list(connection, caller, row.list_id), row.created


async def get_list(caller: Caller, list_id: UUID) -> ContactList:
    """One list and its size."""
    async with caller.transaction() as connection:
        return await known_list(connection, caller, list_id)


async def list_lists(caller: Caller, pager: Pager, made: Made) -> Page[ContactList]:
    """The tenant's lists, newest first."""
    async with caller.transaction() as connection:
        rows = await fetch_all(
            connection,
            ContactList,
            _sql.list_lists,
            {
                "tenant_id": caller.tenant_id,
                "after": pager.after_id,
                **made.parameters(),
                "limit": pager.fetch,
            },
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


async def known_list(connection: Connection, caller: Caller, list_id: UUID) -> ContactList:
    """A list of the tenant's. Raises NotFound."""
    return await fetch_known(
        connection,
        ContactList,
        _sql.get_list,
        {"tenant_id": caller.tenant_id, "list_id": list_id},
        what="list",
    )


def check_values(declared: Mapping[str, Attribute], values: Mapping[str, str]) -> dict[str, str]:
    """Values as they are kept. Raises InvalidInput for one that its attribute doesn't take."""
    try:
        return canonical_values(declared, values)
    except Misfit as misfit:
        raise InvalidInput(ADVICE[misfit.reason], pointer=f"/attributes/{misfit.name}") from misfit
