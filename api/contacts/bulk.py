"""Saves many people, and changes many members of a list, item by item in one transaction."""

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from api.bulk import BulkResult, Results
from api.contacts.schemas import ChangeMembers, SaveContact, SaveContacts
from api.contacts.service import check_values, known_list
from api.deps import Caller
from api.dto import Answer
from api.regions import tenant_region
from api.rows import execute, fetch_all
from core.domain.attributes import Attribute
from core.domain.phone import InvalidPhone, normalise_phone
from core.errors import InvalidInput
from core.store.attributes import list_declared
from core.store.contacts import Person, SavedPerson, add_members, save_people
from core.store.database import Connection
from core.store.queries import load

_sql = load("contacts")


class _Id(Answer):
    id: UUID


async def save_contacts(connection: Connection, caller: Caller, wanted: SaveContacts) -> BulkResult:
    """Save each person as a request of its own would; the second of one person is refused."""
    results = Results()
    region = await tenant_region(connection, caller.tenant_id)
    declared = await list_declared(connection, caller.tenant_id)
    lists = await _known_lists(connection, caller, wanted.items)
    people: dict[int, Person] = {}
    taken: dict[str, int] = {}
    for index, item in enumerate(wanted.items):
        person = _person(results, index, item, region, declared)
        if person is None:
            continue
        if item.list_id is not None and item.list_id not in lists:
            results.refuse(index, "not-found", "there is no such list", "list_id")
            continue
        first = taken.setdefault(person.phone.match_key, index)
        if first != index:
            results.refuse(index, "conflict", f"the same person as item {first}", "phone")
            continue
        people[index] = person
    saved = await save_people(connection, caller.tenant_id, list(people.values()))
    await _put_on_lists(connection, caller, wanted.items, dict(zip(people, saved, strict=True)))
    for index, one in zip(people, saved, strict=True):
        results.done(index, one.contact_id, created=one.created)
    caller.audit(target_kind="contacts", details=results.counts())
    return results.answer()


async def change_members(
    connection: Connection, caller: Caller, list_id: UUID, wanted: ChangeMembers
) -> BulkResult:
    """Put people on a list, and take others off it. Raises NotFound for an unknown list."""
    results = Results()
    place = {"tenant_id": caller.tenant_id, "list_id": list_id}
    await known_list(connection, caller, list_id)
    ids = [item.contact_id for item in wanted.items]
    rows = await fetch_all(connection, _Id, _sql.list_known_people, {**place, "contact_ids": ids})
    known = {row.id for row in rows}
    chosen: dict[str, list[UUID]] = {"add": [], "remove": []}
    first: dict[UUID, int] = {}
    for index, item in enumerate(wanted.items):
        if item.contact_id not in known:
            results.refuse(index, "not-found", "there is no such contact", "contact_id")
        elif first.setdefault(item.contact_id, index) != index:
            detail = f"the same person as item {first[item.contact_id]}"
            results.refuse(index, "conflict", detail, "contact_id")
        else:
            chosen[item.action].append(item.contact_id)
            results.done(index, item.contact_id)
    await add_members(connection, caller.tenant_id, list_id, chosen["add"])
    await execute(connection, _sql.remove_members, {**place, "contact_ids": chosen["remove"]})
    caller.audit(target_kind="list", target_id=list_id, details=results.counts())
    return results.answer()


def _person(
    results: Results, index: int, item: SaveContact, region: str, declared: dict[str, Attribute]
) -> Person | None:
    try:
        return Person(
            phone=normalise_phone(item.phone, region),
            name=item.name,
            language=item.language,
            attributes=check_values(declared, item.attributes),
        )
    except InvalidPhone as error:
        results.refuse(index, error.code, error.detail, "phone")
    except InvalidInput as error:
        results.refuse(index, error.code, error.detail, error.pointer)
    return None


async def _known_lists(
    connection: Connection, caller: Caller, items: Sequence[SaveContact]
) -> set[UUID]:
    ids = sorted({item.list_id for item in items if item.list_id is not None})
    if not ids:
        return set()
    wanted = {"tenant_id": caller.tenant_id, "list_ids": ids}
    return {row.id for row in await fetch_all(connection, _Id, _sql.list_known_lists, wanted)}


async def _put_on_lists(
    connection: Connection,
    caller: Caller,
    items: Sequence[SaveContact],
    saved: dict[int, SavedPerson],
) -> None:
    members: dict[UUID, list[UUID]] = defaultdict(list)
    for index, one in saved.items():
        list_id = items[index].list_id
        if list_id is not None:
            members[list_id].append(one.contact_id)
    for list_id, contact_ids in sorted(members.items()):
        await add_members(connection, caller.tenant_id, list_id, contact_ids)
