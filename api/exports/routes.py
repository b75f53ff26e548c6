"""/v1/exports."""

from typing import Annotated

from fastapi import Query, Request, Response
from fastapi.responses import FileResponse

from api.deps import Cursor, ExportsReader, ExportsWriter, Limit
from api.dto import Id, Page
from api.exports import service
from api.exports.schemas import CreateExport, Export, ExportStatus, ExportSummary
from api.idempotency import OptionalKey, once
from api.list_filters import MadeWhen
from api.openapi import problems
from api.openapi_headers import header_refs
from api.routing import SliceRouter

router = SliceRouter(prefix="/v1/exports", tags=["exports"])


@router.post(
    "",
    operation_id="create_export",
    summary="Ask for an export",
    status_code=201,
    responses=problems("conflict", "quota-exceeded"),
)
async def create_export(
    caller: ExportsWriter,
    response: Response,
    wanted: CreateExport,
    idempotency_key: OptionalKey = None,
) -> ExportSummary:
    """Queues a file with one of your datasets; poll it until it is `ready`."""
    return await once(
        caller,
        idempotency_key,
        "create_export",
        wanted,
        response,
        lambda connection: service.create_export(connection, caller, wanted),
        model=ExportSummary,
    )


@router.get("", operation_id="list_exports", summary="Your exports")
async def list_exports(
    caller: ExportsReader,
    request: Request,
    made: MadeWhen,
    state: Annotated[ExportStatus | None, Query(description="Only exports in this state.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ExportSummary]:
    """Exports, newest first."""
    pager = caller.pager(request, cursor, limit)
    return await service.list_exports(caller, pager, made=made, state=state)


@router.get(
    "/{export_id}",
    operation_id="get_export",
    summary="One export",
    responses=problems("not-found"),
)
async def get_export(caller: ExportsReader, export_id: Id) -> Export:
    """An export with its manifest."""
    return await service.get_export(caller, export_id)


@router.get(
    "/{export_id}/download",
    operation_id="download_export",
    summary="The file of an export",
    response_class=FileResponse,
    responses={
        **problems("not-found", "export-not-ready", "gone"),
        200: {
            "description": "The file; `X-Content-SHA256` is its checksum.",
            "headers": header_refs("Content-Disposition", "X-Content-SHA256", "ETag"),
            "content": {
                media_type.split(";")[0]: {"schema": {"type": "string", "format": "binary"}}
                for media_type in service.MEDIA_TYPES.values()
            },
        },
    },
)
async def download_export(caller: ExportsReader, export_id: Id) -> FileResponse:
    """Streams the file; no transaction is open while it is read."""
    file = await service.get_file(caller, export_id)
    return FileResponse(
        file.path,
        media_type=file.media_type,
        filename=file.name,
        headers={"X-Content-SHA256": file.sha256, "Cache-Control": "private, no-store"},
    )
