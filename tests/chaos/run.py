"""One run: a stack on one broker, campaigns, blows, quiet, judgement."""

import asyncio
import contextlib
import json
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import psycopg
from psycopg_pool import ConnectionPool

from carteiro.demo.stage import adopted_environment
from core.errors import CarteiroError
from core.settings import Settings
from tests.chaos.arena import Arena, Broker, arena, people
from tests.chaos.director import Script, Sink, sink, tenants_at_work
from tests.chaos.killer import BACKEND, RESTART, Blow, Killer, Killing, draw_blows
from tests.chaos.verdict import Verdict, judge

Say = Callable[[str], None]
_BROKEN_OFF = (OSError, AssertionError, CarteiroError, psycopg.Error, aiohttp.ClientError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run is made of; together with the seed it says everything."""

    broker: Broker
    seed: int
    kills: int
    rows: int = 500
    per_second: int = 20
    pause_seconds: tuple[float, float] = (0.3, 4.0)
    #: Launch another campaign of a tenant while fewer messages wait.
    keep: int = 60
    settle_seconds: float = 480.0
    #: After this, silence about a doubt counts; 15 minutes in production. Must be longer than the
    #: landing of webhooks is ever away: 18 s were seen on a machine with ten times its load.
    quiet_seconds: int = 60
    #: Take back the leases of dead notifiers at once instead of waiting 47 s for them.
    advance_leases: bool = False


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came of it."""

    plan: Plan
    journal: list[Killing] = field(default_factory=list)
    verdict: Verdict | None = None
    left_after_kills: int = 0
    retries: int = 0
    seconds: float = 0.0
    violations: list[str] = field(default_factory=list)
    doubt_seconds: float = 0.0


def run(plan: Plan, folder: Path, say: Say) -> Outcome:
    """Start, strike, settle, judge. What breaks the run itself is a violation as well."""
    outcome = Outcome(plan=plan)
    began = time.monotonic()
    try:
        asyncio.run(_run(plan, folder, outcome, say))
    except _BROKEN_OFF as error:
        outcome.violations.append(f"it broke off: {error!r}")
    finally:
        outcome.seconds = round(time.monotonic() - began, 1)
    if outcome.verdict:
        outcome.violations += outcome.verdict.violations
        if not outcome.verdict.calls_cut:
            outcome.violations.append("no kill hit a call under way: it proved nothing")
    if not outcome.left_after_kills:
        outcome.violations.append("the campaigns ended before the kills: they proved nothing")
    return outcome


async def _run(plan: Plan, folder: Path, outcome: Outcome, say: Say) -> None:
    tenants = people(per_second=plan.per_second)
    async with contextlib.AsyncExitStack() as opened:
        heard = await opened.enter_async_context(sink())
        place = arena(
            folder,
            tenants,
            broker=plan.broker,
            seed=plan.seed,
            webhook_port=heard.port,
            quiet_seconds=plan.quiet_seconds,
        )
        ring = await asyncio.to_thread(place.__enter__)
        try:
            with adopted_environment(ring.stack.env) as settings:
                say(f"{plan.broker}: everything runs")
                await _fight(plan, ring, settings, heard, outcome, say)
        finally:
            await asyncio.to_thread(place.__exit__, None, None, None)


async def _fight(
    plan: Plan, ring: Arena, settings: Settings, heard: Sink, outcome: Outcome, say: Say
) -> None:
    async with tenants_at_work(settings, people(per_second=plan.per_second)) as tenants:
        hook = f"http://127.0.0.1:{heard.port}/hook"
        for tenant in tenants:
            await tenant.settle_in(
                ring.stack.home.path / "people", rows=plan.rows, seed=plan.seed, hook=hook
            )
        script = Script(keep=plan.keep)
        with ConnectionPool(settings.database_url, min_size=0, max_size=3) as pool:
            watch = asyncio.create_task(_watch_doubts(settings, outcome))
            work = [asyncio.create_task(script.play(tenant)) for tenant in tenants]
            try:
                killer = Killer(ring, pool, plan_now=script.plan_now)
                outcome.journal = killer.journal
                blows = draw_blows(
                    plan.seed, _victims(ring), plan.kills, pause_seconds=plan.pause_seconds
                )
                await _strike_all(blows, killer, say)
                outcome.left_after_kills = _count(settings, _WAITING)
                script.enough.set()
                await asyncio.gather(*work)
                say(f"{plan.broker}: the kills are over, {outcome.left_after_kills} still to send")
                await _settle(plan, settings, say)
            finally:
                watch.cancel()
                for task in work:
                    task.cancel()
        outcome.retries = sum(tenant.retries for tenant in tenants)
        outcome.verdict = await asyncio.to_thread(
            judge, settings, tenants, heard, doubt_seconds=round(outcome.doubt_seconds, 1)
        )


def _victims(ring: Arena) -> list[str]:
    """All programs; with RabbitMQ as broker Valkey is only a cache, and lives."""
    cache = "valkey" if ring.broker == "rabbitmq" else None
    return [*(name for name in ring.names() if name != cache), BACKEND, RESTART]


async def _strike_all(blows: list[Blow], killer: Killer, say: Say) -> None:
    began = time.monotonic()
    for number, blow in enumerate(blows, start=1):
        killing = await killer.strike(blow)
        left = (time.monotonic() - began) / number * (len(blows) - number)
        say(
            f"{number:>4}/{len(blows)} {killing.victim:<17} {killing.moment:<16}"
            f"{'' if killing.hit else ' (missed)'} back after {killing.seconds_away} s;"
            f" about {left:.0f} s left"
        )


_WAITING = "select count(*) from app.messages where state in ('queued', 'sending')"
_UNSETTLED = (
    "select (select count(*) from app.campaigns where finished_at is null)"
    " + (select count(*) from app.messages where state in ('queued', 'sending', 'in_doubt'))"
    " + (select count(*) from raw.webhook_queue) + (select count(*) from app.webhook_queue)"
)
_ADVANCE = (
    "update app.webhook_queue as q set due_at = now(), fence = fence + 1"
    " where due_at > now() + interval '6 seconds'"
)


async def _settle(plan: Plan, settings: Settings, say: Say) -> None:
    """Until nothing is open anywhere, three looks in a row; or the time is up."""
    end = time.monotonic() + plan.settle_seconds
    quiet, said = 0, 0.0
    while quiet < 3 and time.monotonic() < end:
        if plan.advance_leases:
            await asyncio.to_thread(_execute, settings, _ADVANCE)
        open_now = await asyncio.to_thread(_count, settings, _UNSETTLED)
        pending = await asyncio.to_thread(_pending, settings.meta_base_url)
        quiet = quiet + 1 if open_now == 0 == pending else 0
        if time.monotonic() - said > 15:
            said = time.monotonic()
            say(f"settling: {open_now} open here, {pending} statuses to come")
        await asyncio.sleep(0.5)


async def _watch_doubts(settings: Settings, outcome: Outcome) -> None:
    """How old a doubt ever became."""
    while True:
        with suppress(psycopg.Error):
            age = await asyncio.to_thread(
                _count,
                settings,
                "select coalesce(ceil(extract(epoch from max(clock_timestamp()"
                " - coalesce(in_doubt_since, state_changed_at)))), 0)"
                " from app.messages where state = 'in_doubt'",
            )
            outcome.doubt_seconds = max(outcome.doubt_seconds, age)
        await asyncio.sleep(1.0)


def _pending(sandbox_url: str) -> int:
    with urllib.request.urlopen(f"{sandbox_url}/sandbox/ledger/summary", timeout=10) as answer:
        return int(json.load(answer)["statuses"]["pending"])


def _count(settings: Settings, query: str) -> int:
    with psycopg.connect(settings.database_url, connect_timeout=5) as connection:
        row = connection.execute(query.encode()).fetchone()
    return int(row[0]) if row else 0


def _execute(settings: Settings, query: str) -> None:
    with psycopg.connect(settings.database_url, connect_timeout=5) as connection:
        connection.execute(query.encode())
