"""Rows `landing`: webhook POSTs a second that are in the database before they are answered."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import psutil
import uvloop

from tests.load.posts import CONNECTIONS, LOST_SECONDS, make_posts, post_all, post_at_rate
from tests.load.registry import Figure, Promise, benchmarks
from tests.load.servers import start_api, start_server
from tests.load.stage import (
    OTHERS,
    OURS,
    Broker,
    Stage,
    cpu_seconds,
    on_core,
    product_environment,
)
from tests.sender.world import World
from tests.support.settings import APP_SECRET

_POSTS: Final = 60_000
_PEER_POSTS: Final = 10_000
_WARM_UP: Final = 3_000
_PER_SECOND: Final = 300
_OPEN_LOOP_SECONDS: Final = 20
_PEER: Final = "a FastAPI handler with one INSERT and commit a request"
#: A generator that is busier than this is part of what is measured.
_MOST_BUSY: Final = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """One server's figures."""

    per_second: float
    milliseconds: list[float]
    refused: int
    own_cpu: float
    database_cpu: float
    client_cpu: float

    def percentile(self, share: float) -> float:
        return self.milliseconds[
            min(int(len(self.milliseconds) * share), len(self.milliseconds) - 1)
        ]

    def __str__(self) -> str:
        parts = {
            "server": self.own_cpu,
            "PostgreSQL": self.database_cpu,
            "client": self.client_cpu,
        }
        return ", ".join(
            f"{name} {cpu:.0f} us ({cpu * self.per_second / 1e6:.0%} of the time)"
            for name, cpu in parts.items()
        )


@benchmarks(
    Promise(name="landing", unit="POSTs/s", target=7_000, peer=_PEER),
    Promise(
        name=f"landing p50 ms at {_PER_SECOND}/s",
        unit="ms",
        target=None,
        peer=_PEER,
        less_is_better=True,
    ),
    Promise(
        name=f"landing p99 ms at {_PER_SECOND}/s",
        unit="ms",
        target=100,
        peer=_PEER,
        less_is_better=True,
    ),
    seconds=60,
)
def measure_landing(stage: Stage) -> tuple[Figure, ...]:
    """The API on one core; PostgreSQL with fsync and the sender of webhooks on the other."""
    stage.require_cores(2)
    settings = stage.database()
    # A world is only needed for what stands in the bodies; the landing looks nothing up.
    environment = product_environment(
        settings, Broker(name="none", url="redis://127.0.0.1:9/0"), "http://127.0.0.1:9"
    )
    process, port = start_api(stage, environment, core=OURS)
    ours = _measure(stage, process, port, World(settings=settings), _POSTS)
    stage.say(f"landing: {ours.per_second:,.0f} POSTs/s")
    process.terminate()
    process.wait(30)
    settings = stage.database()
    process, port = start_server(
        stage,
        "fastapi",
        "tests.load.fastapi_landing:app",
        core=OURS,
        BENCH_DATABASE_URL=settings.database_url,
        BENCH_APP_SECRET=APP_SECRET,
    )
    theirs = _measure(stage, process, port, World(settings=settings), _PEER_POSTS)
    stage.say(f"FastAPI: {theirs.per_second:,.0f} POSTs/s")
    return _figures(ours, theirs)


def _figures(ours: _Run, theirs: _Run) -> tuple[Figure, ...]:
    open_loop = (
        f"send times are set beforehand, {_OPEN_LOOP_SECONDS} s; an answer that never comes counts"
        f" {LOST_SECONDS:.0f} s; not answered with 200: {ours.refused}, peer {theirs.refused}"
    )
    return (
        Figure(
            value=ours.per_second,
            peer_value=theirs.per_second,
            note=(
                "signed bodies with one status each, every 200 counted as a row afterwards;"
                f" {CONNECTIONS} connections with one under way each; server on one core,"
                " PostgreSQL (fsync on) and client on the other; CPU a POST:"
                f" {ours}; FastAPI: {theirs}"
            ),
        ),
        *(
            Figure(value=ours.percentile(of), peer_value=theirs.percentile(of), note=open_loop)
            for of in (0.5, 0.99)
        ),
    )


def _measure(stage: Stage, process: psutil.Process, port: int, world: World, count: int) -> _Run:
    posts = make_posts(world, _WARM_UP + count)
    with on_core(OTHERS):
        _require_all_taken(uvloop.run(post_all(port, posts[:_WARM_UP])))
        own_cpu, database_cpu = cpu_seconds([process]), stage.database_cpu()
        client_cpu, start = time.process_time(), time.monotonic()
        _require_all_taken(uvloop.run(post_all(port, posts[_WARM_UP:])))
        seconds = time.monotonic() - start
        client_cpu = time.process_time() - client_cpu
        busy = client_cpu / seconds
        own_cpu = cpu_seconds([process]) - own_cpu
        database_cpu = stage.database_cpu() - database_cpu
        _require_durable(world, _WARM_UP + count)
        if busy > _MOST_BUSY:
            raise RuntimeError(f"the client was busy {busy:.0%} of the time")
        late = make_posts(world, _PER_SECOND * _OPEN_LOOP_SECONDS, first=len(posts))
        answers = uvloop.run(post_at_rate(port, late, _PER_SECOND))
    taken = sum(status == 200 for status, _ in answers)
    _require_durable(world, _WARM_UP + count + taken)
    return _Run(
        per_second=count / seconds,
        milliseconds=sorted(seconds * 1000 for _, seconds in answers),
        refused=len(answers) - taken,
        own_cpu=own_cpu / count * 1e6,
        database_cpu=database_cpu / count * 1e6,
        client_cpu=client_cpu / count * 1e6,
    )


def _require_all_taken(statuses: Sequence[int]) -> None:
    refused = [status for status in statuses if status != 200]
    if refused:
        raise RuntimeError(f"{len(refused)} POSTs were answered with {set(refused)}")


def _require_durable(world: World, at_least: int) -> None:
    """Raises RuntimeError when something was answered with 200 and is not in the table."""
    stored = world.one("select count(*) from raw.webhook_bodies")
    if stored < at_least:
        raise RuntimeError(f"{at_least} POSTs were answered with 200 and {stored} are stored")
