"""/v1/contact-attributes."""

from fastapi import Request, Response

from api.attributes import service
from api.attributes.schemas import ChangeAttribute, ContactAttribute, DeclareAttribute
from api.deps import ContactsReader, ContactsWriter, Cursor, Limit
from api.dto import Id, Page
from api.idempotency import OptionalKey, once
from api.list_filters import MadeWhen
from api.openapi import problems
from api.routing import SliceRouter

router = SliceRouter(prefix="/v1/contact-attributes", tags=["contacts"])


@router.post(
    "",
    operation_id="declare_attribute",
    summary="Declare an attribute of contacts",
    status_code=201,
    responses=problems("conflict"),
)
async def declare_attribute(
    caller: ContactsWriter,
    response: Response,
    wanted: DeclareAttribute,
    idempotency_key: OptionalKey = None,
) -> ContactAttribute:
    """From now on its values are checked, and kept in one form, wherever they come in.

    Values that contacts have already stay as they are; those that don't fit count as missing.
    """
    return await once(
        caller,
        idempotency_key,
        "declare_attribute",
        wanted,
        response,
        lambda connection: service.declare(connection, caller, wanted),
        model=ContactAttribute,
    )


@router.get("", operation_id="list_attributes", summary="Your attributes of contacts")
async def list_attributes(
    caller: ContactsReader,
    request: Request,
    made: MadeWhen,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ContactAttribute]:
    """Declared attributes, newest first."""
    return await service.list_attributes(caller, caller.pager(request, cursor, limit), made)


@router.get(
    "/{attribute_id}",
    operation_id="get_attribute",
    summary="One attribute of contacts",
    responses=problems("not-found"),
)
async def get_attribute(caller: ContactsReader, attribute_id: Id) -> ContactAttribute:
    """One declared attribute."""
    return caller.conditions.answer(await service.get(caller, attribute_id))


@router.patch(
    "/{attribute_id}",
    operation_id="change_attribute",
    summary="Change an attribute of contacts",
    responses=problems("not-found"),
)
async def change_attribute(
    caller: ContactsWriter, attribute_id: Id, wanted: ChangeAttribute
) -> ContactAttribute:
    """Other options of an enum, or whether it is personal. Values that contacts have stay."""
    return caller.conditions.answer(await service.change(caller, attribute_id, wanted))


@router.delete(
    "/{attribute_id}",
    operation_id="delete_attribute",
    summary="Take a declaration back",
    status_code=204,
    responses=problems("not-found"),
)
async def delete_attribute(caller: ContactsWriter, attribute_id: Id) -> None:
    """The values of contacts stay, as texts."""
    await service.delete(caller, attribute_id)
