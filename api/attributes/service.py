"""Declares attributes of contacts."""

from typing import Final
from uuid import UUID

from api.attributes.schemas import ChangeAttribute, ContactAttribute, DeclareAttribute
from api.deps import Caller
from api.dto import Answer, Page
from api.list_filters import Made
from api.pagination import Pager
from api.problems import Problem
from api.rows import execute, fetch_all, fetch_known
from core.domain.attributes import AttributeType
from core.domain.ids import new_id
from core.errors import InvalidInput
from core.store.database import Connection
from core.store.queries import load

_sql = load("attributes")
_MOST: Final = 100
#: Columns of a file and members of a contact; an attribute of that name could never be told apart.
_TAKEN: Final = frozenset({"phone", "name", "language", "consent", "opted_out"})


class _Count(Answer):
    declared: int


async def declare(
    connection: Connection, caller: Caller, wanted: DeclareAttribute
) -> ContactAttribute:
    """A new attribute. Raises InvalidInput, and Problem when the name is taken."""
    if wanted.name in _TAKEN:
        raise InvalidInput("a contact has a member of this name", pointer="/name")
    if wanted.options is not None:
        _check_options(wanted.type, wanted.options)
    elif wanted.type is AttributeType.ENUM:
        raise InvalidInput("an enum has options", pointer="/options")
    place = {"tenant_id": caller.tenant_id, "attribute_id": new_id()}
    count = await fetch_known(connection, _Count, _sql.count_attributes, place, what="tenant")
    if count.declared >= _MOST:
        raise Problem("conflict", f"a tenant has at most {_MOST} declared attributes")
    values = {
        **place,
        "name": wanted.name,
        "type": wanted.type.value,
        "options": wanted.options or [],
        "personal": wanted.personal,
        "created_by": caller.subject,
    }
    if not await execute(connection, _sql.insert_attribute, values):
        raise Problem("conflict", "an attribute of this name is declared already")
    caller.audit(
        target_kind="contact_attribute",
        target_id=place["attribute_id"],
        details={"name": wanted.name, "type": wanted.type.value},
    )
    return await _get(connection, place)


async def list_attributes(caller: Caller, pager: Pager, made: Made) -> Page[ContactAttribute]:
    """Those that are declared, newest first."""
    async with caller.transaction() as connection:
        rows = await fetch_all(
            connection,
            ContactAttribute,
            _sql.list_attributes,
            {
                "tenant_id": caller.tenant_id,
                "after": pager.after_id,
                **made.parameters(),
                "limit": pager.fetch,
            },
        )
    return pager.page(rows, lambda row: row.attribute_id)


async def get(caller: Caller, attribute_id: UUID) -> ContactAttribute:
    """One of them."""
    async with caller.transaction() as connection:
        return await _get(connection, {"tenant_id": caller.tenant_id, "attribute_id": attribute_id})


async def change(caller: Caller, attribute_id: UUID, wanted: ChangeAttribute) -> ContactAttribute:
    """Change what may change."""
    place = {"tenant_id": caller.tenant_id, "attribute_id": attribute_id}
    async with caller.transaction() as connection:
        found = await _held(connection, caller, place)
        if wanted.options is not None:
            _check_options(found.type, wanted.options)
        await execute(
            connection,
            _sql.change_attribute,
            {**place, "options": wanted.options, "personal": wanted.personal},
        )
        caller.audit(
            target_kind="contact_attribute",
            target_id=attribute_id,
            details={"changed": sorted(wanted.model_dump(exclude_none=True))},
        )
        return await _get(connection, place)


async def delete(caller: Caller, attribute_id: UUID) -> None:
    """Take a declaration back."""
    place = {"tenant_id": caller.tenant_id, "attribute_id": attribute_id}
    async with caller.transaction() as connection:
        await _held(connection, caller, place)
        await execute(connection, _sql.delete_attribute, place)
        caller.audit(target_kind="contact_attribute", target_id=attribute_id)


def _check_options(kind: AttributeType, options: list[str]) -> None:
    if kind is not AttributeType.ENUM:
        raise InvalidInput("only an enum has options", pointer="/options")
    folded = [option.strip().casefold() for option in options]
    if len(set(folded)) != len(folded):
        raise InvalidInput("two options are the same", pointer="/options")


async def _held(connection: Connection, caller: Caller, place: dict[str, UUID]) -> ContactAttribute:
    """The attribute, held until the change is made. Raises Problem 412 for an old If-Match."""
    await connection.execute(_sql.lock_attribute, place)
    found = await _get(connection, place)
    caller.conditions.check(found)
    return found


async def _get(connection: Connection, place: dict[str, UUID]) -> ContactAttribute:
    return await fetch_known(
        connection, ContactAttribute, _sql.get_attribute, place, what="attribute"
    )
