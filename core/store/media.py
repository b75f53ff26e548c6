"""A tenant's media files as the worker needs them: Meta's id of each, uploaded once a number."""

from dataclasses import dataclass
from datetime import datetime

from core.domain.ids import MediaFileId, PhoneNumberId, TenantId
from core.store.database import Connection
from core.store.queries import load

_SQL = load("media")


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadKey:
    """A file for a number: Meta's ids belong to the number they were uploaded for."""

    tenant_id: TenantId
    phone_number_id: PhoneNumberId
    media_file_id: MediaFileId

    def values(self) -> dict[str, object]:
        """As parameters of a query."""
        return {
            "tenant_id": self.tenant_id,
            "phone_number_id": self.phone_number_id,
            "media_file_id": self.media_file_id,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file's bytes with what an upload says of them."""

    mime_type: str
    file_name: str
    content: bytes


async def find_upload(connection: Connection, key: UploadKey) -> tuple[str, datetime] | None:
    """Meta's id and when it ends, if it has more than a day to live."""
    cursor = await connection.execute(_SQL.get_upload, key.values())
    row = await cursor.fetchone()
    return (str(row[0]), row[1]) if row and isinstance(row[1], datetime) else None


async def claim_upload(connection: Connection, key: UploadKey) -> bool:
    """Take the right to upload for two minutes; False while another worker has it."""
    return (await connection.execute(_SQL.claim_upload, key.values())).rowcount == 1


async def finish_upload(connection: Connection, key: UploadKey, *, meta_media_id: str) -> None:
    """Keep Meta's id for 30 days."""
    values = {**key.values(), "meta_media_id": meta_media_id}
    await connection.execute(_SQL.finish_upload, values)


async def give_up_upload(connection: Connection, key: UploadKey, *, seconds: int) -> None:
    """Nobody tries again before so many seconds have passed."""
    await connection.execute(_SQL.give_up_upload, {**key.values(), "seconds": seconds})


async def read_file(connection: Connection, key: UploadKey) -> StoredFile | None:
    """A file with its bytes (at most 100 MB, once in a file's 30 days); None when it is gone."""
    cursor = await connection.execute(_SQL.get_file_to_upload, key.values())
    row = await cursor.fetchone()
    if row is None:
        return None
    cursor = await connection.execute(_SQL.read_chunks, key.values())
    pieces = [
        bytes(piece[0]) async for piece in cursor if isinstance(piece[0], (bytes, memoryview))
    ]
    return StoredFile(mime_type=str(row[0]), file_name=str(row[1]), content=b"".join(pieces))
