"""/v1/contacts, /v1/contacts/imports, /v1/lists."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from api.contacts import imports, service
from api.contacts.schemas import (
    Contact,
    ContactList,
    CreateList,
    Import,
    SaveContact,
    SavedContact,
)
from api.deps import ContactsReader, ContactsWriter, Cursor, Limit
from api.dto import Id, Name, Page
from api.idempotency import OptionalKey, once
from api.openapi import problems
from api.problems import Problem
from core.store.consents import Basis

router = APIRouter(prefix="/v1")

_CSV_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "text/csv": {
                "schema": {"type": "string"},
                "example": "phone,name,language,store,opted_out\n"
                "+55 11 98765-4321,Ana,pt_BR,Pinheiros,\n",
            }
        },
    }
}


@router.post(
    "/contacts/imports",
    tags=["contacts"],
    operation_id="import_contacts",
    summary="Import a CSV file of contacts",
    status_code=201,
    openapi_extra=_CSV_BODY,
    responses=problems("bad-csv-header"),
)
async def import_contacts(
    caller: ContactsWriter,
    request: Request,
    response: Response,
    list_name: Annotated[Name, Query(alias="list", description="The list to put them on.")],
    region: Annotated[
        str | None,
        Query(pattern=r"^[A-Z]{2}$", description="Country of numbers without a calling code."),
    ] = None,
    file_name: Annotated[Name | None, Query(description="For your own reference.")] = None,
    consent_channel: Annotated[
        Name | None, Query(description="Where the people agreed: `web form`, `store` ...")
    ] = None,
    consent_text_version: Annotated[
        Name | None, Query(description="Which text they agreed to.")
    ] = None,
    consent_evidence: Annotated[Name | None, Query(description="What you can show for it.")] = None,
) -> Import:
    """Takes UTF-8 CSV (comma, semicolon or tab) with a header row, up to 64 MiB.

    `phone` is compulsory; `name` and `language` fill the contact; `opted_out` (yes/no) writes a
    withdrawal; `consent` (yes/no) says who agreed, and needs the consent parameters; every other
    column becomes an attribute. With the consent parameters and without a `consent` column, all
    rows claim consent. Broken rows are reported one by one and never stop the file. The same file
    again changes nothing.
    """
    basis = _basis(consent_channel, consent_text_version, consent_evidence)
    options = imports.ImportOptions(
        list_name=list_name, region=region, file_name=file_name, basis=basis
    )
    done = await imports.import_contacts(caller, request, options)
    response.headers["Location"] = f"/v1/contacts/imports/{done.import_id}"
    return done


@router.get(
    "/contacts/imports",
    tags=["contacts"],
    operation_id="list_imports",
    summary="Your imports",
)
async def list_imports(
    caller: ContactsReader, request: Request, limit: Limit = 50, cursor: Cursor = None
) -> Page[Import]:
    """Imports, newest first."""
    return await imports.list_imports(caller, caller.pager(request, cursor, limit))


@router.get(
    "/contacts/imports/{import_id}",
    tags=["contacts"],
    operation_id="get_import",
    summary="One import",
    responses=problems("not-found"),
)
async def get_import(caller: ContactsReader, import_id: Id) -> Import:
    """An import with its counts."""
    return await imports.get_import(caller, import_id)


@router.get(
    "/contacts/imports/{import_id}/errors",
    tags=["contacts"],
    operation_id="download_import_errors",
    summary="The row-level file of an import",
    response_class=StreamingResponse,
    responses={
        **problems("not-found"),
        200: {
            "description": "CSV: row, outcome, column, code, advice. Never a value of the file.",
            "content": {"text/csv": {"schema": {"type": "string"}}},
        },
    },
)
async def download_import_errors(caller: ContactsReader, import_id: Id) -> StreamingResponse:
    """Every refused, merged or doubtful row, in the order of the file."""
    await imports.get_import(caller, import_id)
    return StreamingResponse(
        imports.error_file(caller, import_id),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="import-{import_id}-errors.csv"'},
    )


@router.post(
    "/contacts",
    tags=["contacts"],
    operation_id="save_contact",
    summary="Save a contact",
    responses={
        **problems("not-found", "conflict"),
        201: {"model": SavedContact, "description": "A new contact."},
    },
)
async def save_contact(
    caller: ContactsWriter,
    response: Response,
    wanted: SaveContact,
    idempotency_key: OptionalKey = None,
) -> SavedContact:
    """Makes the person behind a phone number, or fills in what is new about a known one."""
    saved = await once(
        caller,
        idempotency_key,
        "save_contact",
        wanted,
        response,
        lambda connection: service.save_contact(connection, caller, wanted),
        model=SavedContact,
    )
    response.status_code = 201 if saved.created else 200
    return saved


@router.get("/contacts", tags=["contacts"], operation_id="list_contacts", summary="Your contacts")
async def list_contacts(
    caller: ContactsReader,
    request: Request,
    list_id: Annotated[Id | None, Query(description="Only people of this list.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Contact]:
    """People, newest first."""
    return await service.list_contacts(caller, caller.pager(request, cursor, limit), list_id)


@router.get(
    "/contacts/{contact_id}",
    tags=["contacts"],
    operation_id="get_contact",
    summary="One contact",
    responses=problems("not-found"),
)
async def get_contact(caller: ContactsReader, contact_id: Id) -> Contact:
    """One person."""
    return await service.get_contact(caller, contact_id)


@router.post(
    "/lists",
    tags=["contacts"],
    operation_id="create_list",
    summary="Make a list",
    responses={201: {"model": ContactList, "description": "A new list."}},
)
async def create_list(
    caller: ContactsWriter, response: Response, wanted: CreateList
) -> ContactList:
    """A list by name; the name of an existing list gives that list."""
    found, created = await service.create_list(caller, wanted)
    response.status_code = 201 if created else 200
    return found


@router.get("/lists", tags=["contacts"], operation_id="list_lists", summary="Your lists")
async def list_lists(
    caller: ContactsReader, request: Request, limit: Limit = 50, cursor: Cursor = None
) -> Page[ContactList]:
    """Lists, newest first, with their sizes."""
    return await service.list_lists(caller, caller.pager(request, cursor, limit))


@router.get(
    "/lists/{list_id}",
    tags=["contacts"],
    operation_id="get_list",
    summary="One list",
    responses=problems("not-found"),
)
async def get_list(caller: ContactsReader, list_id: Id) -> ContactList:
    """A list and how many people are on it."""
    return await service.get_list(caller, list_id)


def _basis(channel: str | None, text_version: str | None, evidence: str | None) -> Basis | None:
    """A consent is claimed with its channel and its text, or not at all."""
    if channel is None and text_version is None and evidence is None:
        return None
    if channel is None or text_version is None:
        missing = "consent_channel" if channel is None else "consent_text_version"
        raise Problem(
            "invalid-input", f"a claim of consent needs {missing} too", pointer=f"/query/{missing}"
        )
    found = {"claimed": evidence} if evidence else {}
    return Basis(channel=channel, text_version=text_version, evidence=found)
