"""/v1/segments."""

from fastapi import Request, Response

from api.deps import ContactsReader, ContactsWriter, Cursor, Limit
from api.dto import Id, Page
from api.idempotency import OptionalKey, once
from api.list_filters import MadeWhen
from api.openapi import problems
from api.routing import SliceRouter
from api.segments import service
from api.segments.schemas import (
    ChangeSegment,
    CreateSegment,
    PreviewSegment,
    Segment,
    SegmentPreview,
)

router = SliceRouter(prefix="/v1/segments", tags=["segments"])


@router.post(
    "",
    operation_id="create_segment",
    summary="Describe people by a filter",
    status_code=201,
    responses=problems("conflict"),
)
async def create_segment(
    caller: ContactsWriter,
    response: Response,
    wanted: CreateSegment,
    idempotency_key: OptionalKey = None,
) -> Segment:
    """A campaign takes it where it takes a list; its people are fixed when that is planned."""
    return await once(
        caller,
        idempotency_key,
        "create_segment",
        wanted,
        response,
        lambda connection: service.create(connection, caller, wanted),
        model=Segment,
    )


@router.post("/preview", operation_id="preview_segment", summary="Try a filter")
async def preview_segment(caller: ContactsReader, wanted: PreviewSegment) -> SegmentPreview:
    """How many people it means now, and a few of them; changes nothing."""
    return await service.preview(caller, wanted.filter)


@router.get("", operation_id="list_segments", summary="Your segments")
async def list_segments(
    caller: ContactsReader,
    request: Request,
    made: MadeWhen,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Segment]:
    """Segments, newest first."""
    return await service.list_segments(caller, caller.pager(request, cursor, limit), made)


@router.get(
    "/{segment_id}",
    operation_id="get_segment",
    summary="One segment",
    responses=problems("not-found"),
)
async def get_segment(caller: ContactsReader, segment_id: Id) -> Segment:
    """A segment and its filter."""
    return caller.conditions.answer(await service.get(caller, segment_id))


@router.patch(
    "/{segment_id}",
    operation_id="change_segment",
    summary="Change a segment",
    responses=problems("not-found", "conflict"),
)
async def change_segment(caller: ContactsWriter, segment_id: Id, wanted: ChangeSegment) -> Segment:
    """Plans that are made already keep their people; the next plan has the new ones."""
    return caller.conditions.answer(await service.change(caller, segment_id, wanted))


@router.delete(
    "/{segment_id}",
    operation_id="delete_segment",
    summary="Delete a segment",
    status_code=204,
    responses=problems("not-found", "conflict"),
)
async def delete_segment(caller: ContactsWriter, segment_id: Id) -> None:
    """Not while a campaign was made to it."""
    await service.delete(caller, segment_id)
