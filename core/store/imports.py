"""Imports as a planner works them off: one batch and the position after it are one transaction.

The row of the import is locked while a batch is written, so any number of planners may run, and one
that is killed leaves an import that stands at the end of its last batch.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Final
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from core.domain.ids import ImportId, TenantId
from core.store.database import Connection
from core.store.queries import load

_SQL = load("imports")
_CHUNK: Final = 1024 * 1024
COUNTED: Final = ("read", "created", "updated", "unchanged", "merged", "refused")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportKey:
    """One import."""

    tenant_id: TenantId
    import_id: ImportId

    def place(self) -> dict[str, object]:
        """The key as parameters."""
        return {"tenant_id": self.tenant_id, "import_id": self.import_id}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One line of the row-level file; never with a value of the row."""

    row: int
    outcome: str
    column: str | None
    code: str
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenImport:
    """An import whose next batch is ours."""

    list_id: UUID | None
    dry_run: bool
    options: dict[str, object]
    #: Where the next row begins; 0 lines before the first batch.
    bytes_read: int
    lines_read: int


async def find_open(connection: Connection) -> ImportKey | None:
    """The import whose turn it is."""
    async with connection.cursor(row_factory=class_row(ImportKey)) as cursor:
        await cursor.execute(_SQL.find_open_import)
        return await cursor.fetchone()


async def take(connection: Connection, key: ImportKey) -> TakenImport | None:
    """The import until the end of the transaction; None when it is over, or somebody has it."""
    async with connection.cursor(row_factory=class_row(TakenImport)) as cursor:
        await cursor.execute(_SQL.take_import, key.place())
        return await cursor.fetchone()


async def get_chunk(connection: Connection, key: ImportKey, chunk_no: int) -> bytes | None:
    """One piece of the file, counted from 0; None after the last."""
    cursor = await connection.execute(_SQL.get_import_chunk, {**key.place(), "chunk_no": chunk_no})
    row = await cursor.fetchone()
    return bytes(row[0]) if row is not None and isinstance(row[0], bytes) else None


async def replace_file(
    connection: Connection, key: ImportKey, options: Mapping[str, object], file: IO[bytes]
) -> None:
    """Put another form of the file in its place, in the transaction that has taken the import."""
    await connection.execute(_SQL.delete_import_chunks, key.place())
    size = await add_chunks(connection, key, file)
    await connection.execute(
        _SQL.replace_import_file, {**key.place(), "options": Jsonb(options), "file_bytes": size}
    )


async def add_chunks(connection: Connection, key: ImportKey, file: IO[bytes]) -> int:
    """Keep the file in pieces of 1 MiB; returns how many bytes it has."""
    file.seek(0)
    size = 0
    for chunk_no, content in enumerate(iter(lambda: file.read(_CHUNK), b"")):
        await connection.execute(
            _SQL.insert_import_chunk, {**key.place(), "chunk_no": chunk_no, "content": content}
        )
        size += len(content)
    return size


async def list_seen(
    connection: Connection, key: ImportKey, match_keys: Sequence[str]
) -> dict[str, bool]:
    """Those of the people whom earlier batches had: whether in Brazil's old form."""
    cursor = await connection.execute(
        _SQL.list_seen_people, {**key.place(), "match_keys": list(match_keys)}
    )
    return {str(match_key): bool(old) for match_key, old in await cursor.fetchall()}


async def add_seen(connection: Connection, key: ImportKey, people: Mapping[str, bool]) -> None:
    """Note whom the batch had for the first time."""
    await connection.execute(
        _SQL.insert_seen_people,
        {**key.place(), "match_keys": list(people), "old_forms": list(people.values())},
    )


async def add_reports(connection: Connection, key: ImportKey, reports: Sequence[Report]) -> None:
    """Add lines to the row-level file."""
    await connection.execute(
        _SQL.insert_import_errors,
        {
            **key.place(),
            "row_numbers": [report.row for report in reports],
            "outcomes": [report.outcome for report in reports],
            "column_names": [report.column for report in reports],
            "codes": [report.code for report in reports],
            "advices": [report.advice for report in reports],
        },
    )


async def advance(
    connection: Connection,
    key: ImportKey,
    counts: Mapping[str, int],
    *,
    bytes_read: int,
    lines_read: int,
) -> None:
    """Add a batch to the counts; the next one begins after so many bytes and lines."""
    await connection.execute(
        _SQL.advance_import,
        {
            **key.place(),
            **{name: counts.get(name, 0) for name in COUNTED},
            "bytes_read": bytes_read,
            "lines_read": lines_read,
        },
    )


async def end(connection: Connection, key: ImportKey, *, failure: str | None = None) -> None:
    """End an import, with its reasons counted; the file and the people it had are forgotten."""
    status = "finished" if failure is None else "failed"
    await connection.execute(
        _SQL.finish_import, {**key.place(), "status": status, "failure": failure}
    )
    await connection.execute(_SQL.delete_import_chunks, key.place())
    await connection.execute(_SQL.delete_seen_people, key.place())


async def count_failed_try(connection: Connection, key: ImportKey) -> int:
    """Note that a batch failed; returns how often in a row. 0: the import is over."""
    cursor = await connection.execute(_SQL.count_failed_try, key.place())
    row = await cursor.fetchone()
    return int(str(row[0])) if row is not None else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingImport:
    """An import that nobody works at, and for how long."""

    tenant_id: TenantId
    import_id: UUID
    waited_seconds: int


async def list_waiting(connection: Connection, *, seconds: int) -> list[WaitingImport]:
    """Imports that have waited for longer than `seconds` for their next turn."""
    async with connection.cursor(row_factory=class_row(WaitingImport)) as cursor:
        await cursor.execute(_SQL.list_waiting_imports, {"seconds": seconds})
        return await cursor.fetchall()


async def close_waiting(connection: Connection, still: Collection[UUID]) -> int:
    """Close the alerts of imports that no longer wait; returns how many."""
    cursor = await connection.execute(
        _SQL.close_waiting_imports, {"still": [str(import_id) for import_id in still]}
    )
    return cursor.rowcount
