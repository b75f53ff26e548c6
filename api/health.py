"""Is the process alive, can it serve, what does it count."""

import asyncio
from typing import Literal

import psycopg
from fastapi import Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import Field

from api.deps import ApiState, State
from api.draining import Draining
from api.dto import Answer
from api.routing import SliceRouter
from core.errors import Unavailable
from core.store.database import platform_transaction
from core.store.queries import load

router = SliceRouter(tags=["health"])
_sql = load("health")
_PATIENCE_SECONDS = 1.0
#: Looks under way, kept from being collected.
_looks: set["asyncio.Task[Readiness]"] = set()
_METRICS = "# TYPE carteiro_http_requests_total counter\n"


class Liveness(Answer):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Readiness(Answer):
    """Whether requests can be served, and what is missing when they can't."""

    status: Literal["ready", "not_ready", "draining"]
    database: Literal["ok", "no_answer"]
    schema_version: Literal["ok", "other_release", "unknown"]
    broker: Literal["ok", "no_answer", "not_set"] = Field(
        description="Ready without it too: what is accepted waits in the database."
    )


class Startup(Answer):
    """Whether the process has been ready once."""

    status: Literal["started", "starting"]


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
async def get_readiness(request: Request, state: State, response: Response) -> Readiness:
    """Ready when the database answers within a second and has this release's schema.

    `draining`: the process was told to end, and still takes what comes for some seconds.
    """
    readiness, broker = await asyncio.gather(_readiness(state), state.broker.look())
    readiness = readiness.model_copy(update={"broker": broker})
    draining: Draining = request.app.state.draining
    if draining.is_on:
        readiness = readiness.model_copy(update={"status": "draining"})
    if readiness.status != "ready":
        response.status_code = 503
        response.headers["Retry-After"] = "2"
    return readiness


@router.get(
    "/health/startup",
    operation_id="get_startup",
    summary="Has the process started?",
    responses={503: {"model": Startup, "description": "It has not been ready so far."}},
)
async def get_startup(request: Request, state: State, response: Response) -> Startup:
    """Started for good once the database has answered with this release's schema."""
    if not request.app.state.has_started:
        request.app.state.has_started = (await _readiness(state)).status == "ready"
    if not request.app.state.has_started:
        response.status_code = 503
        response.headers["Retry-After"] = "2"
        return Startup(status="starting")
    return Startup(status="started")


@router.get(
    "/metrics",
    operation_id="get_metrics",
    summary="Prometheus metrics",
    response_class=Response,
    responses={
        200: {
            "content": {"text/plain": {"schema": {"type": "string"}, "example": _METRICS}},
            "description": "Metrics of this process.",
        }
    },
)
async def get_metrics() -> Response:
    """Counts and times of this process, without tenants."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _readiness(state: ApiState) -> Readiness:
    """Not ready when nobody answers in time. The look is left behind then and ends by itself: a
    cancelled one would wait for the frozen server to confirm that.
    """
    look = asyncio.create_task(_look(state))
    _looks.add(look)
    look.add_done_callback(_looks.discard)
    await asyncio.wait({look}, timeout=_PATIENCE_SECONDS)
    return look.result() if look.done() else _no_answer()


def _no_answer() -> Readiness:
    return Readiness(
        status="not_ready", database="no_answer", schema_version="unknown", broker="not_set"
    )


async def _look(state: ApiState) -> Readiness:
    try:
        async with platform_transaction(state.pool, seconds=_PATIENCE_SECONDS) as connection:
            row = await (await connection.execute(_sql.get_schema_version)).fetchone()
    except (psycopg.Error, Unavailable):
        return _no_answer()
    if row is None or row[0] != state.schema_head:
        return Readiness(
            status="not_ready", database="ok", schema_version="other_release", broker="not_set"
        )
    return Readiness(status="ready", database="ok", schema_version="ok", broker="not_set")
