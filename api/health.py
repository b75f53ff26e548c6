"""Is the process alive, can it serve, what does it count."""

import asyncio
from typing import Literal

import psycopg
from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api.deps import ApiState, State
from api.dto import Answer
from core.errors import Unavailable
from core.store.database import platform_transaction
from core.store.queries import load

router = APIRouter(tags=["health"])
_sql = load("health")
_PATIENCE_SECONDS = 1.0


class Liveness(Answer):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Readiness(Answer):
    """Whether requests can be served, and what is missing when they can't."""

    status: Literal["ready", "not_ready"]
    database: Literal["ok", "no_answer"]
    schema_version: Literal["ok", "other_release", "unknown"]


def schema_head() -> str:
    """The schema revision that this release was written for. Loads Alembic: once, at start."""
    from alembic.script import ScriptDirectory

    from core.store.migrate import MIGRATIONS

    return ScriptDirectory(str(MIGRATIONS)).get_current_head() or ""


@router.get("/health/live", operation_id="get_liveness", summary="Is the process alive?")
async def get_liveness() -> Liveness:
    """Answers as long as the process does; asks nobody else."""
    return Liveness()


@router.get(
    "/health/ready",
    operation_id="get_readiness",
    summary="Can requests be served?",
    responses={503: {"model": Readiness, "description": "Something is missing; see the fields."}},
)
async def get_readiness(state: State, response: Response) -> Readiness:
    """Ready when the database answers within a second and has this release's schema."""
    readiness = await _readiness(state)
    if readiness.status != "ready":
        response.status_code = 503
        response.headers["Retry-After"] = "2"
    return readiness


@router.get(
    "/metrics",
    operation_id="get_metrics",
    summary="Prometheus metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "Metrics of this process."}},
)
async def get_metrics() -> Response:
    """Counts and times of this process, without tenants."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _readiness(state: ApiState) -> Readiness:
    try:
        async with (
            asyncio.timeout(_PATIENCE_SECONDS),
            platform_transaction(state.pool) as connection,
        ):
            row = await (await connection.execute(_sql.get_schema_version)).fetchone()
    except (psycopg.Error, Unavailable, TimeoutError):
        return Readiness(status="not_ready", database="no_answer", schema_version="unknown")
    if row is None or row[0] != state.schema_head:
        return Readiness(status="not_ready", database="ok", schema_version="other_release")
    return Readiness(status="ready", database="ok", schema_version="ok")
