"""Every program of the stack is killed once while campaigns run: nothing is lost or doubled.

Also PostgreSQL, one of its backends, the broker, the API that receives the webhooks, and the
sandbox, whose journal keeps what it answered for. CARTEIRO_TEST_CHAOS_SEED changes order and times.
"""

import asyncio
import json
import os
import random
import signal
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import LiteralString

import psutil
import psycopg
import pytest

from carteiro.demo import chapters
from carteiro.demo.chapters import CAMPAIGN_DONE, Cast, Verdict, states
from carteiro.demo.client import TenantClient
from carteiro.demo.people import TENANTS
from carteiro.demo.stage import admit, adopted_environment
from carteiro.demo.world import sandbox_world
from carteiro.home import Home, free_port
from carteiro.postgres import EmbeddedPostgres
from carteiro.programs import http_answers
from carteiro.stack import Stack
from carteiro.supervisor import State, Status
from core.settings import DatabaseRole, Settings

ROWS = 2_400
SEED = int(os.environ.get("CARTEIRO_TEST_CHAOS_SEED", "20261123"))
#: Slow enough to last through all the kills; utility, so that a settled doubt is sent again.
PEOPLE = tuple(replace(tenant, throughput_per_second=80, category="UTILITY") for tenant in TENANTS)
VICTIMS = ("worker-1", "pacer", "applier", "settler", "api", "sandbox", "valkey", "postgres")
#: A process of PostgreSQL that is not its parent: it throws all the others out as well.
BACKEND = "a backend of postgres"
SERVERS = {"api", "sandbox", "valkey", "postgres"}
#: Answers that come late or never keep calls open, so that a kill finds some under way.
ANSWERS = {"hang_accepted": 0.005, "hang_unaccepted": 0.005, "drop_accepted": 0.002}
TIMES = {
    "CARTEIRO_LEASE_SECONDS": "8",
    "CARTEIRO_SEND_TIMEOUT_SECONDS": "6",
    # Longer than any of the outages below, as in production: what was told meanwhile must have
    # come before silence counts.
    "CARTEIRO_IN_DOUBT_QUIET_SECONDS": "20",
}


@dataclass(slots=True)
class Killing:
    """One kill: of what, and for how long it was away."""

    program: str
    process_id: int
    seconds_away: float


@dataclass(slots=True)
class Chaos:
    """What happened, for the verdict."""

    killings: list[Killing] = field(default_factory=list)
    left_before: int = 0
    left_after: int = 0


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    world = sandbox_world(PEOPLE, seed=11, today=datetime.now(UTC).date())
    faults = world["faults"]
    assert isinstance(faults, dict)
    faults.update({"answers": ANSWERS, "hang_seconds": 1.0})
    # Later than a careless retry: a quick status would stop it before it doubles anything.
    world["delivery"] = {
        "sent_ms": [500, 4000],
        "delivered_ms": [2000, 5000],
        "read_ms": [3000, 8000],
        "read_probability": 0.5,
    }
    callback = world["callback"]
    assert isinstance(callback, dict)
    callback.update({"retry_first_seconds": 0.5, "retry_max_seconds": 2.0})
    home = Home(tmp_path / "home")
    home.prepare()
    for name in SERVERS:
        # Not the usual ports: another stack may be starting at this moment.
        home.port(name, preferred=free_port())
    environment = {**os.environ, **TIMES}
    with Stack(
        home, workers=2, dagster=False, sandbox_world=world, environment=environment
    ) as running:
        yield running
    EmbeddedPostgres(
        folder=home.path / "postgres", identity=home.identity(), port=0, password=""
    ).remove()


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_kill_of_any_process_loses_nothing_and_doubles_nothing(stack: Stack) -> None:
    chaos = Chaos()
    with adopted_environment(stack.env) as settings:
        told, casts, verdict = asyncio.run(campaigns_under_fire(stack, settings, chaos))
        print(f"seed {SEED}:", *chaos.killings, sep="\n  ")
        print(f"{chaos.left_before} to send before the kills, {chaos.left_after} after them")
        assert {killing.program for killing in chaos.killings} == {*VICTIMS, BACKEND, "planner"}
        assert chaos.left_after > 0, "the campaigns ended before the kills: they proved nothing"
        assert_nobody_was_lost_or_doubled(casts, verdict)
        assert told["accepted"] == verdict.our_accepted
        assert_each_fact_was_recorded_once(settings, told)


def assert_nobody_was_lost_or_doubled(casts: list[Cast], verdict: Verdict) -> None:
    assert verdict.sandbox_doubled == 0
    assert verdict.conservation_holds
    for cast in casts:
        assert cast.stats["status"] in CAMPAIGN_DONE
        counts = states(cast.stats)
        assert chapters.accepted(cast.stats) == sum(counts.values()) - counts["excluded"] > 0
        ended = {state for state, count in counts.items() if count}
        assert ended <= {"excluded", "sent", "delivered", "read", "failed"}
    assert verdict.sandbox_accepted == verdict.sandbox_messages == verdict.our_accepted
    assert chapters.closed_as_not_sent(casts) == 0


def facts_told(sandbox_url: str) -> Counter[str]:
    """How many messages the sandbox accepted, and for how many of them it told each status."""
    facts: Counter[str] = Counter()
    after: int | None = 0
    while after is not None:
        with urllib.request.urlopen(f"{sandbox_url}/sandbox/ledger?after={after}&limit=5000") as it:
            page = json.load(it)
        after = page["next_after"]
        for row in page["data"]:
            facts.update(["accepted", *{told["status"] for told in row["statuses"]}])
    return facts


def assert_each_fact_was_recorded_once(settings: Settings, told: Counter[str]) -> None:
    with psycopg.connect(settings.dsn(DatabaseRole.WORKER)) as connection:

        def one(query: LiteralString) -> int:
            row = connection.execute(query).fetchone()
            assert row is not None
            return int(row[0])

        doubled = connection.execute(
            "select event_type, count(*) from ("
            "    select event_type, message_id from raw.message_events"
            "    where event_type in ('planned', 'excluded', 'accepted', 'sent', 'delivered',"
            "        'read', 'failed')"
            "    group by event_type, message_id having count(*) > 1"
            ") as twice group by event_type"
        ).fetchall()
        assert doubled == []
        recorded: dict[str, int] = dict(
            connection.execute(
                "select event_type, count(*) from raw.message_events group by event_type"
            ).fetchall()
        )
        for kind in ("accepted", "sent", "delivered", "read", "failed"):
            assert recorded[kind] == told[kind], kind
        assert one("select count(*) from app.messages where conflict = 'sent_twice'") == 0
        assert one("select count(*) from raw.webhook_queue") == 0
        assert one("select count(*) from raw.webhook_quarantine") == 0
        assert one("select count(*) from raw.orphan_statuses") == 0
        # Kills that hit no call under way would prove nothing.
        lost_calls = one(
            "select count(*) from app.message_attempts"
            " where outcome in ('lease_expired', 'in_doubt')"
        )
        assert lost_calls > 0
        print(f"{lost_calls} calls ended without an answer")


async def campaigns_under_fire(
    stack: Stack, settings: Settings, chaos: Chaos
) -> tuple[Counter[str], list[Cast], Verdict]:
    """Two campaigns run, a third is planned and launched while one program after the other dies."""
    chance = random.Random(SEED)
    async with enter(settings) as casts:
        for cast in casts:
            await chapters.import_people(cast, stack.home.path / "people", rows=ROWS, seed=11)
        for cast in casts[:2]:
            await chapters.plan_campaign(cast)
            await chapters.approve_and_launch(cast)
        chaos.left_before = left_to_send(settings)
        planning = asyncio.create_task(chapters.plan_campaign(casts[2]))
        await asyncio.sleep(chance.uniform(0.0, 0.6))
        chaos.killings.append(await kill(stack, "planner"))
        await planning
        await chapters.approve_and_launch(casts[2])
        for program in chance.sample([*VICTIMS, BACKEND], len(VICTIMS) + 1):
            await asyncio.sleep(chance.uniform(0.5, 2.5))
            chaos.killings.append(await kill(stack, program))
        chaos.left_after = left_to_send(settings)
        await chapters.watch(casts, stack, lambda now, crash: None, crash_at=2.0)
        summary = await chapters.settle_webhooks(casts, settings, lambda now, crash: None, None)
    numbers = {cast.tenant.phone_number_id for cast in casts}
    told = await asyncio.to_thread(facts_told, settings.meta_base_url)
    return told, casts, chapters.judge(casts, summary, numbers)


@asynccontextmanager
async def enter(settings: Settings) -> AsyncIterator[list[Cast]]:
    async with AsyncExitStack() as opened:
        yield [
            Cast(
                tenant=one.tenant,
                tenant_id=str(one.tenant_id),
                client=await opened.enter_async_context(
                    TenantClient(settings.api_base_url, one.api_key)
                ),
            )
            for one in admit(settings, PEOPLE)
        ]


async def kill(stack: Stack, name: str) -> Killing:
    """SIGKILL a program and wait until it is back: a server until it answers."""
    if name == BACKEND:
        return await kill_backend(stack)
    restarts = status(stack, name).restarts
    killed_at = time.monotonic()
    (process_id,) = await asyncio.to_thread(stack.kill, name, signal.SIGKILL)

    def is_back() -> bool:
        now = status(stack, name)
        started = now.restarts > restarts and now.pid is not None
        return started and (now.state is State.RUNNING or name not in SERVERS)

    await until(is_back, f"{name} does not come back")
    return Killing(name, process_id, round(time.monotonic() - killed_at, 1))


async def kill_backend(stack: Stack) -> Killing:
    """SIGKILL the process that serves one connection; PostgreSQL then throws out all others."""
    (parent,) = stack.pids("postgres")
    serving = [
        child for child in psutil.Process(parent).children() if "carteiro" in child.cmdline()[0]
    ]
    killed_at = time.monotonic()
    serving[0].kill()
    await until(lambda: not serving[0].is_running(), "a backend outlives SIGKILL")
    await until(lambda: not serving[-1].is_running(), "PostgreSQL does not recover")
    await until(lambda: is_healthy(stack), "the stack does not recover")
    return Killing(BACKEND, serving[0].pid, round(time.monotonic() - killed_at, 1))


def is_healthy(stack: Stack) -> bool:
    return http_answers(f"{stack.env['CARTEIRO_API_BASE_URL']}/health/ready")


def status(stack: Stack, name: str) -> Status:
    return next(status for status in stack.statuses() if status.name == name)


def left_to_send(settings: Settings) -> int:
    with psycopg.connect(settings.dsn(DatabaseRole.WORKER)) as connection:
        row = connection.execute(
            "select count(*) from app.messages where state in ('queued', 'sending')"
        ).fetchone()
    return int(row[0]) if row else 0


async def until(condition: Callable[[], bool], complaint: str, *, seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, complaint
        await asyncio.sleep(0.1)
