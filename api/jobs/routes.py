"""/v1/jobs."""

from fastapi import Request

from api.deps import Cursor, Limit, TenantReader
from api.dto import Id, Page
from api.jobs import service
from api.jobs.schemas import Job, JobKind, JobStatus
from api.list_filters import MadeWhen
from api.openapi import problems
from api.routing import SliceRouter

router = SliceRouter(prefix="/v1/jobs", tags=["jobs"])


@router.get("", operation_id="list_jobs", summary="Your long work")
async def list_jobs(
    caller: TenantReader,
    request: Request,
    made: MadeWhen,
    kind: JobKind | None = None,
    state: JobStatus | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Job]:
    """Imports, exports, plans and re-drives, newest first. It shows counts and no person."""
    pager = caller.pager(request, cursor, limit)
    return await service.list_jobs(caller, pager, made=made, kind=kind, state=state)


@router.get("/{job_id}", operation_id="get_job", summary="One job", responses=problems("not-found"))
async def get_job(caller: TenantReader, job_id: Id) -> Job:
    """How far it is, and where its result is. Poll it once a second at most."""
    return await service.get_job(caller, job_id)
