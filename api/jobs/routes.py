"""/v1/jobs."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from api.deps import Cursor, Limit, TenantReader
from api.dto import Id, Instant, Page
from api.jobs import service
from api.jobs.schemas import Job, JobKind, JobStatus
from api.openapi import problems

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


@router.get("", operation_id="list_jobs", summary="Your long work")
async def list_jobs(
    caller: TenantReader,
    request: Request,
    kind: JobKind | None = None,
    status: JobStatus | None = None,
    created_after: Annotated[Instant | None, Query(description="From this instant on.")] = None,
    created_before: Annotated[Instant | None, Query(description="Before this instant.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Job]:
    """Imports, exports, plans and re-drives, newest first. It shows counts and no person."""
    return await service.list_jobs(
        caller,
        caller.pager(request, cursor, limit),
        kind=kind,
        status=status,
        created_after=created_after,
        created_before=created_before,
    )


@router.get("/{job_id}", operation_id="get_job", summary="One job", responses=problems("not-found"))
async def get_job(caller: TenantReader, job_id: Id) -> Job:
    """How far it is, and where its result is. Poll it once a second at most."""
    return await service.get_job(caller, job_id)
