"""Reads jobs off the things they make: there is no second book of their state."""

from datetime import datetime
from uuid import UUID

from api.deps import Caller
from api.dto import Answer, Page
from api.jobs.schemas import Job, JobKind, JobProgress, JobStatus
from api.list_filters import Made
from api.pagination import Pager
from api.rows import fetch_all, fetch_known
from core.store.queries import load

_sql = load("jobs")
_ANY: dict[str, object] = {
    "job_id": None,
    "after": None,
    "kind": None,
    "state": None,
    "created_from": None,
    "created_to": None,
    "limit": 1,
}


class _Row(Answer):
    job_id: UUID
    kind: JobKind
    status: JobStatus
    created_at: datetime
    finished_at: datetime | None
    done: int
    total: int | None
    failure: str | None
    result: str


async def list_jobs(
    caller: Caller,
    pager: Pager,
    *,
    made: Made,
    kind: JobKind | None,
    state: JobStatus | None,
) -> Page[Job]:
    """The tenant's jobs that fit the filters, newest first."""
    async with caller.transaction() as connection:
        rows = await fetch_all(
            connection,
            _Row,
            _sql.list_jobs,
            {
                **_ANY,
                "tenant_id": caller.tenant_id,
                "after": pager.after_id,
                **made.parameters(),
                "kind": kind,
                "state": state,
                "limit": pager.fetch,
            },
        )
    return pager.page([_shown(row) for row in rows], lambda job: job.job_id)


async def get_job(caller: Caller, job_id: UUID) -> Job:
    """One job."""
    async with caller.transaction() as connection:
        wanted = {**_ANY, "tenant_id": caller.tenant_id, "job_id": job_id}
        return _shown(await fetch_known(connection, _Row, _sql.list_jobs, wanted, what="job"))


def _shown(row: _Row) -> Job:
    progress = JobProgress(done=row.done, total=row.total)
    return Job(**row.model_dump(exclude={"done", "total"}), progress=progress)
