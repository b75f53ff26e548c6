"""/v1/contacts, /v1/contacts/imports, /v1/lists."""

from typing import Annotated

from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse

from api.bulk import BulkResult
from api.contacts import bulk, imports, service
from api.contacts.schemas import (
    ChangeMembers,
    Contact,
    ContactList,
    CreateList,
    Import,
    ImportStatus,
    SaveContact,
    SaveContacts,
    SavedContact,
)
from api.deps import ContactsReader, ContactsWriter, Cursor, Limit
from api.dto import Id, Instant, Name, Page
from api.idempotency import OptionalKey, once
from api.list_filters import MadeWhen
from api.openapi import problems
from api.openapi_headers import header_refs
from api.problems import Problem
from api.routing import SliceRouter
from core.contact_files.options import Claim
from core.contact_files.xlsx import MEDIA_TYPE

router = SliceRouter(prefix="/v1")


_CSV_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "text/csv": {
                "schema": {"type": "string"},
                "example": "phone,name,language,store,opted_out\n"
                "+55 11 98765-4321,Ana,pt_BR,Pinheiros,\n",
            },
            MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
_ERROR_ROWS = (
    "row,outcome,column,code,advice\n"
    "7,refused,phone,invalid-phone,Write it in E.164 with + and the calling code.\n"
)


@router.post(
    "/contacts/imports",
    tags=["contacts"],
    operation_id="import_contacts",
    summary="Import a file of contacts",
    status_code=202,
    openapi_extra=_CSV_BODY,
    responses={
        **problems("bad-csv-header", "wrong-encoding", "bad-workbook", "too-many-rows", "conflict"),
        202: {"headers": header_refs("Location")},
    },
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
    columns: Annotated[
        str | None,
        Query(
            max_length=8192,
            description="What columns are, by their headings: a JSON object, heading to `phone`, "
            "`name`, `language`, `consent`, `opted_out`, an attribute, or null to pass it over.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, Query(description="Count and report, change nothing; no list is made.")
    ] = False,
    consent_channel: Annotated[
        Name | None, Query(description="Where the people agreed: `web form`, `store` ...")
    ] = None,
    consent_text_version: Annotated[
        Name | None, Query(description="Which text they agreed to.")
    ] = None,
    consent_evidence: Annotated[Name | None, Query(description="What you can show for it.")] = None,
    idempotency_key: OptionalKey = None,
) -> Import:
    """Takes UTF-8 CSV (comma, semicolon or tab), or the first sheet of an XLSX workbook.

    A header row, then up to a million rows; up to 64 MiB.

    It is checked and kept at once and worked off in batches: poll the import, or `GET /v1/jobs`,
    until it is `finished`. `phone` is compulsory; `name` and `language` fill the contact;
    `opted_out` (yes/no) writes a withdrawal; `consent` (yes/no) says who agreed, and needs the
    consent parameters; every other column becomes an attribute. With the consent parameters and
    without a `consent` column, all rows claim consent. Broken rows are reported one by one and
    never stop the file. The same file again changes nothing.
    """
    wanted = imports.Upload(
        list_name=list_name,
        region=region,
        file_name=file_name,
        mapping=imports.read_mapping(columns),
        claim=_claim(consent_channel, consent_text_version, consent_evidence),
        dry_run=dry_run,
        form="xlsx" if _is_workbook(request) else "csv",
    )
    taken = await imports.take_file(caller, request, response, wanted, idempotency_key)
    response.headers["Location"] = f"/v1/contacts/imports/{taken.import_id}"
    return taken


@router.get(
    "/contacts/imports",
    tags=["contacts"],
    operation_id="list_imports",
    summary="Your imports",
)
async def list_imports(
    caller: ContactsReader,
    request: Request,
    made: MadeWhen,
    state: Annotated[ImportStatus | None, Query(description="Only those in this state.")] = None,
    dry_run: Annotated[bool | None, Query(description="Only dry runs, or none.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Import]:
    """Imports, newest first."""
    filters = {"state": state, "dry_run": dry_run, **made.parameters()}
    return await imports.list_imports(caller, caller.pager(request, cursor, limit), filters)


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
            "headers": header_refs("Content-Disposition"),
            "content": {"text/csv": {"schema": {"type": "string"}, "example": _ERROR_ROWS}},
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
        **problems("not-found", "conflict", "invalid-phone"),
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


@router.get(
    "/contacts",
    tags=["contacts"],
    operation_id="list_contacts",
    summary="Your contacts",
    responses=problems("not-found"),
)
async def list_contacts(
    caller: ContactsReader,
    request: Request,
    made: MadeWhen,
    list_id: Annotated[Id | None, Query(description="Only people of this list.")] = None,
    updated_from: Annotated[
        Instant | None, Query(description="Changed from this instant on.")
    ] = None,
    updated_to: Annotated[Instant | None, Query(description="Changed before this instant.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Contact]:
    """People, newest first."""
    changed = service.Changed(updated_from=updated_from, updated_to=updated_to)
    pager = caller.pager(request, cursor, limit)
    return await service.list_contacts(caller, pager, list_id=list_id, made=made, changed=changed)


@router.post(
    "/contacts/bulk",
    tags=["contacts"],
    operation_id="save_contacts",
    summary="Save many contacts",
    responses=problems("conflict", "invalid-phone"),
)
async def save_contacts(
    caller: ContactsWriter,
    response: Response,
    wanted: SaveContacts,
    idempotency_key: OptionalKey = None,
) -> BulkResult:
    """Up to 1,000 people, each saved or refused by itself: look at every item of the answer.

    The second item of one person is refused. A body of the wrong shape is refused as a whole.
    """
    return await once(
        caller,
        idempotency_key,
        "save_contacts",
        wanted,
        response,
        lambda connection: bulk.save_contacts(connection, caller, wanted),
        model=BulkResult,
    )


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
    caller: ContactsReader,
    request: Request,
    made: MadeWhen,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ContactList]:
    """Lists, newest first, with their sizes."""
    return await service.list_lists(caller, caller.pager(request, cursor, limit), made)


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


@router.post(
    "/lists/{list_id}/members",
    tags=["contacts"],
    operation_id="change_members",
    summary="Put people on a list, take others off",
    responses=problems("not-found", "conflict"),
)
async def change_members(
    caller: ContactsWriter,
    response: Response,
    list_id: Id,
    wanted: ChangeMembers,
    idempotency_key: OptionalKey = None,
) -> BulkResult:
    """Up to 1,000 people, each carried out or refused by itself; who is on it already stays."""
    return await once(
        caller,
        idempotency_key,
        f"change_members {list_id}",
        wanted,
        response,
        lambda connection: bulk.change_members(connection, caller, list_id, wanted),
        model=BulkResult,
    )


def _is_workbook(request: Request) -> bool:
    # An empty body needs none; it is a CSV file without a header row.
    return request.headers.get("content-type", "").split(";")[0].strip().lower() == MEDIA_TYPE


def _claim(channel: str | None, text_version: str | None, evidence: str | None) -> Claim | None:
    """A consent is claimed with its channel and its text, or not at all."""
    if channel is None and text_version is None and evidence is None:
        return None
    if channel is None or text_version is None:
        missing = "consent_channel" if channel is None else "consent_text_version"
        raise Problem(
            "invalid-input", f"a claim of consent needs {missing} too", pointer=f"/query/{missing}"
        )
    return Claim(channel=channel, text_version=text_version, evidence=evidence)
