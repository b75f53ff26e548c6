"""/v1/media."""

from typing import Annotated

from fastapi import Query, Request, Response

from api.deps import CampaignsReader, CampaignsWriter, Cursor, Limit
from api.dto import Id, Name, Page
from api.list_filters import MadeWhen
from api.media import service
from api.media.schemas import MediaFile, MediaFileDetails
from api.openapi import problems
from api.openapi_headers import header_refs
from api.routing import SliceRouter
from core.domain.media import KIND_OF_TYPE

router = SliceRouter(prefix="/v1/media", tags=["media"])

_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            mime_type: {"schema": {"type": "string", "format": "binary"}}
            for mime_type in KIND_OF_TYPE
        },
    }
}


@router.post(
    "",
    operation_id="upload_media",
    summary="Keep a file for template headers",
    status_code=201,
    openapi_extra=_BODY,
    responses={
        200: {
            "model": MediaFile,
            "description": "The file that is kept already.",
            "headers": header_refs("Location"),
        },
        201: {"headers": header_refs("Location")},
    },
)
async def upload_media(
    caller: CampaignsWriter,
    request: Request,
    response: Response,
    file_name: Annotated[Name, Query(description="What people see of a document.")],
) -> MediaFile:
    """The body is the file, its Content-Type says what it is: JPEG or PNG up to 5 MB, MP4 or 3GP up
    to 16 MB, PDF, text and Office documents up to 100 MB.

    Use its `reference` as the value of a template's `header`. It is uploaded to Meta once a number,
    with the first message that needs it, and again when Meta's id has ended (30 days). The same
    bytes again answer 200 with the file that is kept already.
    """
    file, is_new = await service.save_file(caller, request, file_name)
    response.headers["Location"] = f"/v1/media/{file.media_file_id}"
    if not is_new:
        response.status_code = 200
    return file


@router.get("", operation_id="list_media", summary="Your files")
async def list_media(
    caller: CampaignsReader,
    request: Request,
    made: MadeWhen,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[MediaFile]:
    """Newest first."""
    return await service.list_files(caller, caller.pager(request, cursor, limit), made)


@router.get(
    "/{media_file_id}",
    operation_id="get_media",
    summary="One file",
    responses=problems("not-found"),
)
async def get_media(caller: CampaignsReader, media_file_id: Id) -> MediaFileDetails:
    """A file, and for which numbers Meta has it until when."""
    return await service.get_file(caller, media_file_id)


@router.delete(
    "/{media_file_id}",
    operation_id="delete_media",
    summary="Delete a file",
    status_code=204,
    responses=problems("not-found", "conflict"),
)
async def delete_media(caller: CampaignsWriter, media_file_id: Id) -> None:
    """Drops the bytes here; Meta's copies end by themselves within 30 days."""
    await service.delete_file(caller, media_file_id)
