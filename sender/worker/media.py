"""Files in headers: Meta's id in place of ours, uploaded once a number and reused for its life."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import psycopg

from core.broker.envelopes import Ticket
from core.clock import utc_now
from core.domain.ids import MediaFileId
from core.domain.media import header_reference, with_meta_id
from core.domain.provider_errors import ErrorAction, classify
from core.errors import CarteiroError, InvalidInput, MetaError, Unavailable
from core.logs import get_logger
from core.store import media
from core.store.database import Pool, platform_transaction
from core.store.dispatch import ClaimedMessage
from core.store.media import UploadKey
from core.whatsapp.client import CloudApi

_KNOWN_FILES: Final = 1_000
_MARGIN: Final = timedelta(days=1)
_BUSY_SECONDS: Final = 5
_AGAIN_SECONDS: Final = 30
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoMedia:
    """Why a file has no id of Meta's now. `error` is Meta's word that it never will."""

    detail: str
    wait_seconds: int = _AGAIN_SECONDS
    error: CarteiroError | None = None


class MediaIds:
    """What Meta calls our files; remembered, for a campaign's messages all name the same one."""

    def __init__(self, pool: Pool) -> None:
        """Nothing is known yet."""
        self._pool = pool
        self._known: dict[UploadKey, tuple[str, datetime]] = {}
        # One look at the database a file: the tickets of a campaign come a dozen at a time.
        self._locks: dict[UploadKey, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def resolve(
        self, api: CloudApi, ticket: Ticket, claimed: Sequence[ClaimedMessage]
    ) -> list[ClaimedMessage | NoMedia]:
        """Each message with Meta's id in its header, or why it must not be sent now.

        No transaction is open while a file is uploaded.
        """
        wanted = [header_reference(message.content) for message in claimed]
        files = {reference for reference in wanted if reference is not None}
        found = {reference: await self._find(api, ticket, reference) for reference in files}
        return [
            message if reference is None else _named(message, found[reference])
            for message, reference in zip(claimed, wanted, strict=True)
        ]

    async def _find(self, api: CloudApi, ticket: Ticket, file_id: MediaFileId) -> str | NoMedia:
        key = UploadKey(
            tenant_id=ticket.tenant_id,
            phone_number_id=ticket.phone_number_id,
            media_file_id=file_id,
        )
        async with self._locks[key]:
            known = self._known.get(key)
            if known is not None and known[1] - _MARGIN > utc_now():
                return known[0]
            try:
                return await self._upload_once(api, key)
            except MetaError as error:
                await self._give_up(key)
                # The message itself never left, so what would leave a send in doubt just waits.
                return NoMedia(detail=error.detail, error=None if _may_pass(error) else error)
            except InvalidInput as error:
                return NoMedia(detail=error.detail, error=error)
            except CarteiroError as error:
                await self._give_up(key)
                return NoMedia(detail=error.detail)
            except psycopg.OperationalError as error:
                # Claimed but never posted: without this the lease would call it in doubt.
                return NoMedia(detail=f"the database was away: {type(error).__name__}")

    async def _upload_once(self, api: CloudApi, key: UploadKey) -> str | NoMedia:
        async with platform_transaction(self._pool) as connection:
            found = await media.find_upload(connection, key)
            if found is not None:
                self._remember(key, *found)
                return found[0]
            file = await media.read_file(connection, key)
            if file is None:
                raise InvalidInput("the file of this header was deleted")
            if not await media.claim_upload(connection, key):
                return NoMedia(detail="another worker uploads it", wait_seconds=_BUSY_SECONDS)
        meta_media_id = await api.upload_media(
            key.phone_number_id,
            content=file.content,
            mime_type=file.mime_type,
            file_name=file.file_name,
        )
        async with platform_transaction(self._pool) as connection:
            await media.finish_upload(connection, key, meta_media_id=meta_media_id)
        _log.info("a file was uploaded", bytes=len(file.content))
        self._remember(key, meta_media_id, utc_now() + timedelta(days=30))
        return meta_media_id

    async def _give_up(self, key: UploadKey) -> None:
        try:
            async with platform_transaction(self._pool) as connection:
                await media.give_up_upload(connection, key, seconds=_AGAIN_SECONDS)
        except (Unavailable, psycopg.OperationalError) as error:
            # The claim of the upload ends by itself.
            _log.warning("an upload could not be given up", problem=type(error).__name__)

    def _remember(self, key: UploadKey, meta_media_id: str, expires_at: datetime) -> None:
        if len(self._known) >= _KNOWN_FILES:
            self._known.clear()
            self._locks = defaultdict(asyncio.Lock, {key: self._locks[key]})
        self._known[key] = (meta_media_id, expires_at)


def _named(message: ClaimedMessage, found: str | NoMedia) -> ClaimedMessage | NoMedia:
    if isinstance(found, NoMedia):
        return found
    return replace(message, content=with_meta_id(message.content, found))


def _may_pass(refusal: MetaError) -> bool:
    """Whether Meta may take the same file later."""
    error = classify(refusal.meta_code, refusal.http_status)
    return error.action is ErrorAction.IN_DOUBT or error.message_stays_queued
