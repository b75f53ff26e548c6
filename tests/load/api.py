"""Rows `api`: how long the tenant's reads and writes take at 200 requests a second."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any, Final
from uuid import UUID, uuid4

import psutil
import psycopg
import uvloop

from api.scopes import Scope
from core.domain.ids import TenantId
from core.settings import DatabaseRole, Settings
from core.store import tenants
from tests.load.people import crowd
from tests.load.posts import post_at_rate
from tests.load.registry import Figure, Promise, benchmarks
from tests.load.servers import start_api, start_server
from tests.load.stage import (
    OTHERS,
    OURS,
    Stage,
    cpu_seconds,
    on_core,
    product_environment,
)

_PEOPLE: Final = 20_000
_PER_SECOND: Final = 200
_SECONDS: Final = 20
_WARM_UP: Final = 200
#: Of one tenant, so that no key meets its rate limit.
_KEYS: Final = 40
_PEER: Final = "a bare FastAPI route doing one indexed SELECT"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """Milliseconds of every answer in order, and CPU a request."""

    milliseconds: list[float]
    own_cpu: float
    database_cpu: float

    def percentile(self, share: float) -> float:
        return self.milliseconds[int(len(self.milliseconds) * share)]

    def __str__(self) -> str:
        return (
            f"p50 {self.percentile(0.5):.1f} ms, worst {self.milliseconds[-1]:.0f} ms, CPU a"
            f" request {self.own_cpu:.0f} us server + {self.database_cpu:.0f} us PostgreSQL"
        )


@benchmarks(
    Promise(
        name=f"api reads p99 ms at {_PER_SECOND}/s",
        unit="ms",
        target=50,
        peer=_PEER,
        less_is_better=True,
    ),
    Promise(
        name=f"api writes p99 ms at {_PER_SECOND}/s",
        unit="ms",
        target=100,
        peer=_PEER,
        less_is_better=True,
    ),
    seconds=80,
)
def measure_api(stage: Stage) -> tuple[Figure, ...]:
    """The API on one core, PostgreSQL with fsync and the client on the other."""
    stage.require_cores(2)
    settings = stage.database()
    world, _ = crowd(settings, _PEOPLE)
    people = [row[0] for row in world.execute("select contact_id from app.contacts")]
    keys = _make_keys(settings, world.tenant_id)
    environment = product_environment(settings, stage.valkey(), "http://127.0.0.1:9")
    process, port = start_api(stage, environment, core=OURS)
    reads = _measure(stage, process, port, _reads(keys, people))
    stage.say(f"reads: {reads}")
    writes = _measure(stage, process, port, _writes(keys))
    stage.say(f"writes: {writes}")
    process.terminate()
    process.wait(60)
    process, port = start_server(
        stage,
        "fastapi",
        "tests.load.fastapi_select:app",
        core=OURS,
        BENCH_DATABASE_URL=settings.database_url,
    )
    selects = _measure(
        stage, process, port, (_request("GET", f"/c/{one}") for one in cycle(people))
    )
    stage.say(f"FastAPI: {selects}")
    return tuple(
        Figure(
            value=run.percentile(0.99),
            peer_value=selects.percentile(0.99),
            note=(
                f"{what}; open loop, {_SECONDS} s; {run}; FastAPI: {selects};"
                f" {_PEOPLE:,} people; rate limits counted in Valkey"
            ),
        )
        for run, what in (
            (reads, "tenant, contact, contacts, campaigns, messages, lists in turn"),
            (writes, "a contact and a list in turn, each with an Idempotency-Key"),
        )
    )


def _make_keys(settings: Settings, tenant_id: UUID) -> list[str]:
    with psycopg.connect(settings.dsn(DatabaseRole.OPERATOR), autocommit=True) as connection:
        return [
            tenants.create_api_key(
                connection,
                tenant_id=TenantId(tenant_id),
                name=f"key {number}",
                scopes=[scope.value for scope in Scope],
            ).plaintext
            for number in range(_KEYS)
        ]


def _reads(keys: Sequence[str], people: Sequence[UUID]) -> Iterator[bytes]:
    for key, person in zip(cycle(keys), cycle(people), strict=False):
        for path in (
            "/v1/tenant",
            f"/v1/contacts/{person}",
            "/v1/contacts?limit=20",
            "/v1/campaigns",
            "/v1/messages?limit=20",
            "/v1/lists",
        ):
            yield _request("GET", path, key)


def _writes(keys: Sequence[str]) -> Iterator[bytes]:
    for number, key in enumerate(cycle(keys)):
        yield _request(
            "POST", "/v1/contacts", key, {"phone": f"+551192{number:07d}", "name": "Ana"}
        )
        yield _request("POST", "/v1/lists", key, {"name": f"Lista {number}"})


def _request(method: str, path: str, key: str = "", body: dict[str, Any] | None = None) -> bytes:
    content = json.dumps(body).encode() if body is not None else b""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    if key:
        lines.append(f"Authorization: Bearer {key}")
    if body is not None:
        lines += [
            f"Idempotency-Key: {uuid4()}",
            "Content-Type: application/json",
            f"Content-Length: {len(content)}",
        ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def _measure(stage: Stage, process: psutil.Process, port: int, requests: Iterator[bytes]) -> _Run:
    with on_core(OTHERS):
        uvloop.run(post_at_rate(port, list(islice(requests, _WARM_UP)), _PER_SECOND))
        wanted = list(islice(requests, _PER_SECOND * _SECONDS))
        own_cpu, database_cpu = cpu_seconds([process]), stage.database_cpu()
        answers = uvloop.run(post_at_rate(port, wanted, _PER_SECOND))
    refused = [status for status, _ in answers if not 200 <= status < 300]
    if len(refused) > len(answers) // 1_000:
        raise RuntimeError(f"{len(refused)} requests were answered with {set(refused)}")
    return _Run(
        milliseconds=sorted(seconds * 1000 for _, seconds in answers),
        own_cpu=(cpu_seconds([process]) - own_cpu) / len(answers) * 1e6,
        database_cpu=(stage.database_cpu() - database_cpu) / len(answers) * 1e6,
    )
