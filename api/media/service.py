"""Keeps a tenant's files: checked before anybody is written to, the same bytes kept once."""

import hashlib
import tempfile
from collections.abc import Iterator
from datetime import datetime
from typing import IO, Final
from uuid import UUID

from starlette.requests import ClientDisconnect, Request

from api.deps import Caller
from api.dto import Answer, Page
from api.list_filters import Made
from api.media.schemas import MediaFile, MediaFileDetails, MediaUpload
from api.pagination import Pager
from api.problems import Problem
from api.rows import execute, fetch_all, fetch_known, fetch_one
from core.domain.ids import MediaFileId, new_id
from core.domain.media import check_file, media_reference
from core.store.database import Connection
from core.store.queries import load

_sql = load("media")
_CHUNK: Final = 1024 * 1024
_HEAD_BYTES: Final = 64
_IN_MEMORY_BYTES: Final = 4 * 1024 * 1024


class _Row(Answer):
    media_file_id: UUID
    kind: str
    mime_type: str
    file_name: str
    bytes: int
    created_by: str
    created_at: datetime


async def save_file(caller: Caller, request: Request, file_name: str) -> tuple[MediaFile, bool]:
    """Keep the request's body as a file; returns it and whether it is new.

    Raises InvalidInput when Meta would not take it.
    """
    mime_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    digest = hashlib.sha256()
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as spool:
        size = await _receive(request, spool, digest)
        spool.seek(0)
        kind = check_file(mime_type, spool.read(_HEAD_BYTES), size)
        wanted: dict[str, object] = {
            "tenant_id": caller.tenant_id,
            "media_file_id": new_id(),
            "kind": kind.value,
            "mime_type": mime_type,
            "file_name": file_name,
            "bytes": size,
            "sha256": digest.digest(),
            "created_by": caller.subject,
        }
        async with caller.transaction() as connection:
            is_new = await execute(connection, _sql.insert_media_file, wanted) == 1
            if is_new:
                await _store_chunks(connection, wanted, spool)
            row = await fetch_known(
                connection, _Row, _sql.find_by_content, wanted, what="media file"
            )
            caller.audit(
                target_kind="media_file", target_id=row.media_file_id, details={"created": is_new}
            )
    return _shown(row), is_new


async def list_files(caller: Caller, pager: Pager, made: Made) -> Page[MediaFile]:
    """The tenant's files, newest first."""
    async with caller.transaction() as connection:
        rows = await fetch_all(
            connection,
            _Row,
            _sql.list_media_files,
            {
                "tenant_id": caller.tenant_id,
                "after": pager.after_id,
                **made.parameters(),
                "limit": pager.fetch,
            },
        )
    return pager.page([_shown(row) for row in rows], lambda file: file.media_file_id)


async def get_file(caller: Caller, media_file_id: UUID) -> MediaFileDetails:
    """One file with where Meta has it."""
    place = {"tenant_id": caller.tenant_id, "media_file_id": media_file_id}
    async with caller.transaction(snapshot=True) as connection:
        row = await fetch_known(connection, _Row, _sql.get_media_file, place, what="media file")
        uploads = await fetch_all(connection, MediaUpload, _sql.list_uploads, place)
    return MediaFileDetails(**_shown(row).model_dump(), uploads=uploads)


async def delete_file(caller: Caller, media_file_id: UUID) -> None:
    """Drop a file's bytes. Raises Problem while a campaign that is not over names it."""
    place = {
        "tenant_id": caller.tenant_id,
        "media_file_id": media_file_id,
        "reference": media_reference(MediaFileId(media_file_id)),
    }
    async with caller.transaction() as connection:
        await fetch_known(connection, _Row, _sql.get_media_file, place, what="media file")
        if await fetch_one(connection, _Use, _sql.find_use, place) is not None:
            raise Problem("conflict", "a campaign that is not over names this file")
        await execute(connection, _sql.delete_media_file, place)
        await execute(connection, _sql.delete_chunks, place)


class _Use(Answer):
    campaign_id: UUID


async def _receive(request: Request, spool: IO[bytes], digest: "hashlib._Hash") -> int:
    size = 0
    try:
        async for piece in request.stream():
            digest.update(piece)
            spool.write(piece)
            size += len(piece)
    except ClientDisconnect as error:
        raise Problem("malformed-request", "the body ended early; nothing was kept") from error
    return size


async def _store_chunks(
    connection: Connection, wanted: dict[str, object], spool: IO[bytes]
) -> None:
    for number, content in enumerate(_pieces(spool)):
        values = {**wanted, "chunk_no": number, "content": content}
        await execute(connection, _sql.insert_chunk, values)


def _pieces(spool: IO[bytes]) -> Iterator[bytes]:
    spool.seek(0)
    while piece := spool.read(_CHUNK):
        yield piece


def _shown(row: _Row) -> MediaFile:
    reference = media_reference(MediaFileId(row.media_file_id))
    return MediaFile(reference=reference, **row.model_dump())
