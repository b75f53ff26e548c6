"""Works off contact files, batch by batch; any number may run, and any may die.

A batch, its counts and the position after it are one transaction under the lock of the import's
row. So every row of a file is taken exactly once, whoever is killed when.
"""

import asyncio
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import IO, Final

import psycopg

from core.contact_files.batches import BATCH_ROWS, fold, match_keys, read_people
from core.contact_files.csv_rows import CsvFile, NotContactFile, Position
from core.contact_files.options import FileOptions
from core.contact_files.people import UNCLAIMED, PersonRow, RefusedRow, read_header
from core.contact_files.xlsx import convert
from core.domain.attributes import Attribute
from core.errors import Unavailable
from core.logs import get_logger
from core.metrics import IMPORT_ROWS
from core.store import imports
from core.store.attributes import list_declared
from core.store.database import Connection, Pool, platform_transaction
from core.store.imports import ImportKey, TakenImport
from sender.importer.writing import write_batch

_IN_MEMORY_BYTES: Final = 4 * 1024 * 1024
_TURN_SECONDS: Final = 5.0
"""So long an import keeps others waiting; then the one that has waited the longest is the next."""
_MOST_TRIES: Final = 5
_log = get_logger(__name__)


async def import_next(pool: Pool, *, batch_rows: int = BATCH_ROWS) -> bool:
    """Work at the import whose turn it is; False when none waits."""
    async with platform_transaction(pool) as connection:
        key = await imports.find_open(connection)
    if key is None:
        return False
    try:
        await _work(pool, key, batch_rows)
    except NotContactFile as error:
        await _fail(pool, key, str(error))
    except (Unavailable, psycopg.OperationalError):
        raise
    except Exception:  # noqa: BLE001 - one bad file must not keep the others from their turns
        _log.exception("a batch of an import failed", import_id=str(key.import_id))
        await _try_again(pool, key)
    return True


async def _work(pool: Pool, key: ImportKey, batch_rows: int) -> None:
    # In memory or in a file without a name: it is gone with the process, however that ends.
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as spool:
        options = await _fetch(pool, key, spool)
        if options is None or (options.form == "xlsx" and not await _convert(pool, key, spool)):
            return
        # What we have written ourselves has commas, whatever its headings hold.
        delimiter = None if options.form == "csv" else ","
        file = await asyncio.to_thread(CsvFile, spool, delimiter=delimiter)
        until = time.monotonic() + _TURN_SECONDS
        while await _take_batch(pool, key, file, batch_rows):
            if time.monotonic() >= until:
                return


async def _fetch(pool: Pool, key: ImportKey, spool: IO[bytes]) -> FileOptions | None:
    """The whole file, a piece at a time: none is worth a transaction that stays open.

    None when somebody else has the import, or has turned it from a workbook into CSV meanwhile.
    """
    chunk_no, form = 0, None
    while True:
        async with platform_transaction(pool) as connection:
            job = await imports.take(connection, key)
            if job is None:
                return None
            options = FileOptions.model_validate(job.options)
            if form not in {None, options.form}:
                return None
            form = options.form
            content = await imports.get_chunk(connection, key, chunk_no)
        if content is None:
            spool.seek(0)
            return options
        await asyncio.to_thread(spool.write, content)
        chunk_no += 1


async def _convert(pool: Pool, key: ImportKey, spool: IO[bytes]) -> bool:
    """Turn a workbook into CSV, in the database and in `spool`; False when somebody else has."""
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as rows:
        await asyncio.to_thread(convert, spool, rows)
        async with platform_transaction(pool) as connection:
            job = await imports.take(connection, key)
            if job is None or job.options.get("form") != "xlsx":
                return False
            options = {**job.options, "form": "converted"}
            await imports.replace_file(connection, key, options, rows)
        spool.seek(0)
        spool.truncate()
        rows.seek(0)
        await asyncio.to_thread(shutil.copyfileobj, rows, spool)
        spool.seek(0)
    return True


async def _take_batch(pool: Pool, key: ImportKey, file: CsvFile, batch_rows: int) -> bool:
    """One batch in one transaction; False when there is nothing more to do here."""
    try:
        async with platform_transaction(pool) as connection:
            job = await imports.take(connection, key)
            if job is None:
                return False
            options = FileOptions.model_validate(job.options)
            declared = await list_declared(connection, key.tenant_id)
            rows = await asyncio.to_thread(_read, file, job, options, declared, batch_rows)
            if not rows:
                await imports.end(connection, key)
                return False
            counts = await _write(connection, key, job, options, rows)
            at = file.position
            await imports.advance(connection, key, counts, bytes_read=at.offset, lines_read=at.line)
    except psycopg.errors.UniqueViolation:
        # Somebody has just made one of these people; they are found the next time.
        if await _count_failed_try(pool, key) >= _MOST_TRIES:
            raise
        return True
    if not job.dry_run:
        for outcome, number in counts.items():
            IMPORT_ROWS.labels(outcome=outcome).inc(number)
    return True


def _read(
    file: CsvFile,
    job: TakenImport,
    options: FileOptions,
    declared: Mapping[str, Attribute],
    batch_rows: int,
) -> list[PersonRow | RefusedRow]:
    columns = read_header(file.header, options.mapping)
    if columns.consent is not None and options.claim is None:
        raise NotContactFile(UNCLAIMED)
    begin = Position(offset=job.bytes_read, line=job.lines_read) if job.lines_read else None
    return read_people(
        file.rows(begin),
        columns,
        region=options.region,
        claimed=options.claim is not None,
        declared=declared,
        limit=batch_rows,
    )


async def _write(
    connection: Connection,
    key: ImportKey,
    job: TakenImport,
    options: FileOptions,
    rows: Sequence[PersonRow | RefusedRow],
) -> Counter[str]:
    seen = await imports.list_seen(connection, key, match_keys(rows))
    batch = fold(rows, seen)
    # A dry run does all that an import does and takes it back: so its counts are true.
    async with connection.transaction(force_rollback=job.dry_run):
        counts, reports = await write_batch(
            connection,
            key.tenant_id,
            batch,
            list_id=job.list_id,
            basis=options.claim.basis() if options.claim else None,
        )
    await imports.add_seen(connection, key, batch.first_seen)
    await imports.add_reports(connection, key, reports)
    return counts


async def _try_again(pool: Pool, key: ImportKey) -> None:
    if await _count_failed_try(pool, key) >= _MOST_TRIES:
        await _fail(pool, key, "an unforeseen error, which was logged with the import's id")


async def _count_failed_try(pool: Pool, key: ImportKey) -> int:
    async with platform_transaction(pool) as connection:
        return await imports.count_failed_try(connection, key)


async def _fail(pool: Pool, key: ImportKey, failure: str) -> None:
    async with platform_transaction(pool) as connection:
        await imports.end(connection, key, failure=failure)
