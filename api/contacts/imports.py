"""Takes over contact files: checked and kept at once, worked off by a planner in batches.

Nothing is written of an upload that breaks off or of a file that is none. What the rows say is read
in sender/importer; the first row of a person counts, and the same file twice changes nothing.
"""

import asyncio
import csv
import hashlib
import io
import json
import tempfile
from collections.abc import AsyncIterator, Mapping
from typing import IO, Annotated, Final, Literal
from uuid import UUID

from fastapi import Response
from psycopg.types.json import Jsonb
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect, Request

from api.contacts.schemas import Import
from api.deps import Caller
from api.dto import Answer, AttributeName, Line, Page
from api.idempotency import once
from api.pagination import Pager
from api.problems import Problem
from api.regions import tenant_region
from api.rows import execute, fetch_all, fetch_known
from core.contact_files.csv_rows import CsvFile, NotContactFile
from core.contact_files.options import Claim, FileOptions
from core.contact_files.people import MAX_COLUMNS, UNCLAIMED, read_header
from core.contact_files.xlsx import MAX_ROWS, check_directory
from core.domain.ids import ImportId, new_id
from core.store.database import Connection
from core.store.imports import ImportKey, add_chunks
from core.store.queries import load

_sql = load("imports")
_contacts = load("contacts")
_IN_MEMORY_BYTES: Final = 4 * 1024 * 1024
_ERROR_PAGE: Final = 2_000
_MOST_OPEN: Final = 20
_MAPPING: Final = TypeAdapter(
    Annotated[dict[Line, AttributeName | None], Field(max_length=MAX_COLUMNS)]
)


class Upload(BaseModel):
    """What a request says about its file, and the digest of the file itself."""

    model_config = ConfigDict(frozen=True)

    list_name: str
    region: str | None
    file_name: str | None
    mapping: dict[str, str | None]
    claim: Claim | None
    dry_run: bool
    form: Literal["csv", "xlsx"]
    sha256: str = ""


class _ListRow(Answer):
    list_id: UUID
    name: str
    created_at: object
    created: bool


class _Open(Answer):
    open: int


def read_mapping(text: str | None) -> dict[str, str | None]:
    """The mapping of a request. Raises Problem when it isn't one."""
    if text is None:
        return {}
    try:
        return _MAPPING.validate_python(json.loads(text), strict=True)
    except (ValueError, RecursionError, ValidationError):
        detail = "a mapping is a JSON object: heading of a column to field, attribute or null"
        raise Problem("invalid-input", detail, pointer="/query/columns") from None


async def take_file(
    caller: Caller, request: Request, response: Response, wanted: Upload, key: str | None
) -> Import:
    """Take over one file. Raises Problem, with nothing written, when it isn't a contact file."""
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as file:
        digest, size = await _receive(request, file, wanted.form)
        await asyncio.to_thread(_check, file, wanted)
        return await once(
            caller,
            key,
            "import_contacts",
            wanted.model_copy(update={"sha256": digest}),
            response,
            lambda connection: _begin(connection, caller, wanted, file, size),
            model=Import,
        )


async def get_import(caller: Caller, import_id: UUID) -> Import:
    """One import with its counts."""
    async with caller.transaction() as connection:
        return await _import(connection, caller, import_id)


async def list_imports(caller: Caller, pager: Pager, filters: Mapping[str, object]) -> Page[Import]:
    """The tenant's imports, newest first."""
    async with caller.transaction() as connection:
        rows = await fetch_all(
            connection,
            Import,
            _sql.list_imports,
            {
                **filters,
                "tenant_id": caller.tenant_id,
                "after": pager.after_id,
                "limit": pager.fetch,
            },
        )
    return pager.page(rows, lambda row: row.import_id)


class _ErrorRow(Answer):
    row_number: int
    outcome: str
    column_name: str | None
    code: str
    advice: str


async def error_file(caller: Caller, import_id: UUID) -> AsyncIterator[bytes]:
    """The row-level file as CSV, page by page: no transaction is held while a client reads."""
    yield b"row,outcome,column,code,advice\r\n"
    after_row, after_code = 0, ""
    while True:
        async with caller.transaction() as connection:
            rows = await fetch_all(
                connection,
                _ErrorRow,
                _sql.list_import_errors,
                {
                    "tenant_id": caller.tenant_id,
                    "import_id": import_id,
                    "after_row": after_row,
                    "after_code": after_code,
                    "limit": _ERROR_PAGE,
                },
            )
        if not rows:
            return
        text = io.StringIO()
        writer = csv.writer(text)
        for row in rows:
            writer.writerow(
                (row.row_number, row.outcome, row.column_name or "", row.code, row.advice)
            )
        yield text.getvalue().encode()
        after_row, after_code = rows[-1].row_number, rows[-1].code


async def _receive(request: Request, file: IO[bytes], form: str) -> tuple[str, int]:
    """The whole body, its digest and its size."""
    digest, size, lines = hashlib.sha256(), 0, 0
    try:
        async for chunk in request.stream():
            await asyncio.to_thread(file.write, chunk)
            digest.update(chunk)
            size += len(chunk)
            lines += chunk.count(b"\n")
            if form == "csv" and lines > MAX_ROWS + 1:
                raise Problem("too-many-rows", f"a file has at most {MAX_ROWS} rows")
    except ClientDisconnect:
        raise Problem("malformed-request", "the upload broke off") from None
    file.seek(0)
    return digest.hexdigest(), size


def _check(file: IO[bytes], wanted: Upload) -> None:
    """What can be said at once. A workbook's sheet is read with the rest of the work."""
    if wanted.form == "xlsx":
        try:
            check_directory(file)
        except NotContactFile as error:
            raise Problem("bad-workbook", str(error)) from None
        return
    try:
        opened = CsvFile(file)
    except NotContactFile as error:
        raise Problem("wrong-encoding", str(error)) from None
    try:
        columns = read_header(opened.header, wanted.mapping)
    except NotContactFile as error:
        raise Problem("bad-csv-header", str(error)) from None
    if columns.consent is not None and wanted.claim is None:
        raise Problem("invalid-input", UNCLAIMED, pointer="/query/consent_channel")


async def _begin(
    connection: Connection, caller: Caller, wanted: Upload, file: IO[bytes], size: int
) -> Import:
    key = ImportKey(tenant_id=caller.tenant_id, import_id=ImportId(new_id()))
    place = key.place()
    waiting = await fetch_known(connection, _Open, _sql.count_open_imports, place, what="tenant")
    if waiting.open >= _MOST_OPEN:
        raise Problem("conflict", f"{_MOST_OPEN} imports are open; wait until one has ended")
    # A dry run changes nothing: also no list is made.
    list_id = None if wanted.dry_run else await _list_of(connection, caller, wanted.list_name)
    options = FileOptions(
        region=wanted.region or await tenant_region(connection, caller.tenant_id),
        mapping=wanted.mapping,
        claim=wanted.claim,
        form=wanted.form,
    )
    await execute(
        connection,
        _sql.insert_import,
        {
            **place,
            "list_id": list_id,
            "file_name": wanted.file_name,
            "dry_run": wanted.dry_run,
            "options": Jsonb(options.model_dump()),
            "file_bytes": size,
        },
    )
    await add_chunks(connection, key, file)
    caller.audit(
        target_kind="import",
        target_id=key.import_id,
        details={"list_id": str(list_id) if list_id else None, "dry_run": wanted.dry_run},
    )
    return await _import(connection, caller, key.import_id)


async def _list_of(connection: Connection, caller: Caller, name: str) -> UUID:
    wanted = {"tenant_id": caller.tenant_id, "list_id": new_id(), "name": name}
    found = await fetch_known(connection, _ListRow, _contacts.insert_list, wanted, what="list")
    return found.list_id


async def _import(connection: Connection, caller: Caller, import_id: UUID) -> Import:
    return await fetch_known(
        connection,
        Import,
        _sql.get_import,
        {"tenant_id": caller.tenant_id, "import_id": import_id},
        what="import",
    )
