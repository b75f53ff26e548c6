"""Imports a contact file: read and normalised in batches off the event loop, written set by set.

Each batch is one transaction, none is open while the file is read. A broken row is reported and
never stops the file. The first row of a person counts; further rows of the same person are merged
into it, of which only an opt-out or a consent is taken. So the same file twice changes nothing.
"""

import asyncio
import csv
import io
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import psycopg
from starlette.requests import ClientDisconnect, Request

from api.contacts.batches import Batch, Reader, Report, Taken
from api.contacts.csv_rows import BadRow, NotCsv, Row, read_rows
from api.contacts.import_rows import Columns, read_header
from api.contacts.schemas import Import
from api.deps import Caller
from api.dto import Answer, Page
from api.metrics import IMPORT_ROWS
from api.pagination import Pager
from api.problems import Problem
from api.rows import execute, fetch_all, fetch_known
from core.domain.ids import ImportId, TenantId, new_id
from core.store.consents import Basis, ConsentEntry, granted_states, record
from core.store.contacts import SavedPerson, save_people
from core.store.database import Connection
from core.store.queries import load

_sql = load("imports")
_tenants = load("tenants")
_contacts = load("contacts")
_IN_MEMORY_BYTES: Final = 4 * 1024 * 1024
_ERROR_PAGE: Final = 2_000
_PURPOSE: Final = "marketing"
_TRIES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What a request says about its file. `basis` is None when it claims no consent."""

    list_name: str
    region: str | None
    file_name: str | None
    basis: Basis | None


class _Region(Answer):
    default_region: str


class _ListRow(Answer):
    list_id: UUID
    name: str
    created_at: object
    created: bool


async def import_contacts(caller: Caller, request: Request, options: ImportOptions) -> Import:
    """Take over one file. Raises Problem, with nothing written, when it isn't a contact file."""
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as file:
        await _receive(request, file)
        rows, columns = await asyncio.to_thread(_opened, file)
        if columns.consent is not None and options.basis is None:
            detail = "a consent column needs consent_channel and consent_text_version"
            raise Problem("invalid-input", detail, pointer="/query/consent_channel")
        reader = Reader(rows=rows, columns=columns, claimed=options.basis is not None)
        import_id, list_id, region = await _begin(caller, options)
        reader.region = region
        try:
            while batch := await asyncio.to_thread(reader.next_batch):
                await _write(caller, import_id, list_id, batch, options.basis)
        except BaseException:
            await _finish(
                caller, import_id, "failed", "the import broke off; import the file again"
            )
            raise
    await _finish(caller, import_id, "finished", None)
    return await get_import(caller, import_id)


async def get_import(caller: Caller, import_id: UUID) -> Import:
    """One import with its counts."""
    async with caller.transaction() as connection:
        return await fetch_known(
            connection,
            Import,
            _sql.get_import,
            {"tenant_id": caller.tenant_id, "import_id": import_id},
            what="import",
        )


async def list_imports(caller: Caller, pager: Pager) -> Page[Import]:
    """The tenant's imports, newest first."""
    async with caller.transaction() as connection:
        rows = await fetch_all(
            connection,
            Import,
            _sql.list_imports,
            {"tenant_id": caller.tenant_id, "after": pager.after_id, "limit": pager.fetch},
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


async def _receive(request: Request, file: "tempfile.SpooledTemporaryFile[bytes]") -> None:
    """The whole body first: nothing is written to the database of an upload that broke off."""
    try:
        async for chunk in request.stream():
            await asyncio.to_thread(file.write, chunk)
    except ClientDisconnect:
        raise Problem("malformed-request", "the upload broke off") from None
    file.seek(0)


def _opened(file: "tempfile.SpooledTemporaryFile[bytes]") -> tuple[Iterator[Row | BadRow], Columns]:
    try:
        rows = read_rows(file)
        header = next(rows)
    except NotCsv as error:
        raise Problem("wrong-encoding", str(error)) from None
    try:
        return rows, read_header(header)
    except NotCsv as error:
        raise Problem("bad-csv-header", str(error)) from None


async def _begin(caller: Caller, options: ImportOptions) -> tuple[ImportId, UUID, str]:
    import_id = ImportId(new_id())
    place = {"tenant_id": caller.tenant_id}
    async with caller.transaction() as connection:
        tenant = await fetch_known(
            connection, _Region, _tenants.get_tenant_region, place, what="tenant"
        )
        found = await fetch_known(
            connection,
            _ListRow,
            _contacts.insert_list,
            {**place, "list_id": new_id(), "name": options.list_name},
            what="list",
        )
        await execute(
            connection,
            _sql.insert_import,
            {
                **place,
                "import_id": import_id,
                "list_id": found.list_id,
                "file_name": options.file_name,
            },
        )
    return import_id, found.list_id, options.region or tenant.default_region


async def _write(
    caller: Caller, import_id: ImportId, list_id: UUID, batch: Batch, basis: Basis | None
) -> None:
    for attempt in range(1, _TRIES + 1):
        try:
            async with caller.transaction() as connection:
                counts = await _write_once(
                    connection, caller.tenant_id, import_id, list_id, batch, basis
                )
        except psycopg.errors.UniqueViolation:
            # Somebody else has just made one of these people; they are found the next time.
            if attempt == _TRIES:
                raise
        else:
            break
    for outcome, rows in counts.items():
        IMPORT_ROWS.labels(outcome=outcome).inc(rows)


async def _write_once(
    connection: Connection,
    tenant_id: TenantId,
    import_id: ImportId,
    list_id: UUID,
    batch: Batch,
    basis: Basis | None,
) -> Counter[str]:
    taken = list(batch.people.values())
    saved = await save_people(connection, tenant_id, [one.person for one in taken])
    await execute(
        connection,
        _contacts.add_members,
        {
            "tenant_id": tenant_id,
            "list_id": list_id,
            "contact_ids": [person.contact_id for person in saved],
        },
    )
    kept = await _write_consents(connection, tenant_id, taken, saved, basis)
    counts = batch.counts + _outcomes(taken, saved)
    place = {"tenant_id": tenant_id, "import_id": import_id}
    await execute(connection, _sql.insert_import_errors, {**place, **_lines(batch.reports + kept)})
    names = ("read", "created", "updated", "unchanged", "merged", "refused")
    await execute(
        connection, _sql.add_import_counts, {**place, **{name: counts[name] for name in names}}
    )
    return counts


def _outcomes(taken: Sequence[Taken], saved: Sequence[SavedPerson]) -> Counter[str]:
    return Counter(
        "created" if person.created else "updated" if person.changed else "unchanged"
        for one, person in zip(taken, saved, strict=True)
        if not one.repeated
    )


async def _write_consents(
    connection: Connection,
    tenant_id: TenantId,
    taken: Sequence[Taken],
    saved: Sequence[SavedPerson],
    basis: Basis | None,
) -> list[Report]:
    """Opt-outs always; claimed consents only of people who never withdrew.

    A file can't undo what a person said: who has withdrawn stays so, and the row gets a warning.
    """
    speaking = [
        (one, person.contact_id)
        for one, person in zip(taken, saved, strict=True)
        if one.opted_out or one.consents
    ]
    states = await granted_states(
        connection, tenant_id, _PURPOSE, [contact_id for _, contact_id in speaking]
    )
    withdrawn = [
        ConsentEntry(contact_id=contact_id, purpose=_PURPOSE, granted=False)
        for one, contact_id in speaking
        if one.opted_out and states.get(contact_id) is not False
    ]
    claimed = [
        ConsentEntry(contact_id=contact_id, purpose=_PURPOSE, granted=True)
        for one, contact_id in speaking
        if not one.opted_out and contact_id not in states
    ]
    import_basis = Basis(channel="import", text_version=None, evidence={"column": "opted_out"})
    await record(connection, tenant_id, withdrawn, import_basis)
    if basis is not None:
        await record(connection, tenant_id, claimed, basis)
    return [
        Report(
            row=one.row,
            outcome="warning",
            column=None,
            code="opt_out_kept",
            advice="The person has withdrawn before; a file can't undo that.",
        )
        for one, contact_id in speaking
        if not one.opted_out and states.get(contact_id) is False
    ]


def _lines(reports: Sequence[Report]) -> dict[str, object]:
    return {
        "row_numbers": [report.row for report in reports],
        "outcomes": [report.outcome for report in reports],
        "column_names": [report.column for report in reports],
        "codes": [report.code for report in reports],
        "advices": [report.advice for report in reports],
    }


async def _finish(caller: Caller, import_id: ImportId, status: str, failure: str | None) -> None:
    async with caller.transaction() as connection:
        await execute(
            connection,
            _sql.finish_import,
            {
                "tenant_id": caller.tenant_id,
                "import_id": import_id,
                "status": status,
                "failure": failure,
            },
        )
