"""Who is killed next, and at which moment: drawn from a seed, so that it can be repeated."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum

import psutil
import psycopg
from psycopg_pool import ConnectionPool

from core.clock import utc_now
from tests.chaos.arena import Arena, wait_until_well

#: A process of PostgreSQL that is not its parent: it throws all the others out as well.
BACKEND = "postgres backend"
#: Polite (SIGINT), and just as sudden for everybody who is connected.
RESTART = "postgres restart"
_TARGET_SECONDS = 4.0
_BACK_SECONDS = 120.0


class Moment(StrEnum):
    """When a kill falls."""

    ANY = "any"
    AFTER_CLAIM = "after a claim"
    DURING_POST = "during posts"
    AFTER_ACCEPTANCE = "after acceptance"
    WHILE_PLANNING = "while planning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Blow:
    """What is to be killed, when, and how long to wait before."""

    victim: str
    moment: Moment
    wait_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Killing:
    """A kill that happened; `hit` is false when its special moment did not come in time."""

    number: int
    victim: str
    moment: Moment
    hit: bool
    seconds_away: float
    at: str

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def draw_blows(
    seed: int, victims: Sequence[str], kills: int, *, pause_seconds: tuple[float, float]
) -> list[Blow]:
    """`kills` blows; everybody has a turn before anybody has another, workers two."""
    chance = random.Random(seed)
    blows: list[Blow] = []
    workers = [victim for victim in victims if victim.startswith("worker-")]
    while len(blows) < kills:
        turn = [*victims, *workers]
        chance.shuffle(turn)
        blows += [
            Blow(
                victim=victim,
                moment=_moment(victim, chance),
                wait_seconds=chance.uniform(*pause_seconds),
            )
            for victim in turn
        ]
    return blows[:kills]


def _moment(victim: str, chance: random.Random) -> Moment:
    if victim.startswith("worker-"):
        return chance.choice(
            (Moment.AFTER_CLAIM, Moment.DURING_POST, Moment.AFTER_ACCEPTANCE, Moment.ANY)
        )
    if victim == "planner":
        return Moment.WHILE_PLANNING
    return Moment.ANY


class Killer:
    """Strikes a running stack; keeps the journal of what it did."""

    def __init__(self, arena: Arena, pool: ConnectionPool, *, plan_now: Callable[[], None]) -> None:
        self._arena = arena
        self._pool = pool
        self._plan_now = plan_now
        self.journal: list[Killing] = []

    async def strike(self, blow: Blow) -> Killing:
        """Wait, kill at the moment drawn, return once it is back."""
        await asyncio.sleep(blow.wait_seconds)
        victim = blow.victim
        if blow.moment is Moment.WHILE_PLANNING:
            self._plan_now()
        hit = await asyncio.to_thread(self._await_moment, blow)
        killed_at, at = time.monotonic(), utc_now().isoformat(timespec="milliseconds")
        if victim == BACKEND:
            await asyncio.to_thread(self._kill_backend)
        elif victim == RESTART:
            await asyncio.to_thread(self._restart_postgres)
        else:
            restarts = self._arena.status(victim).restarts
            await asyncio.to_thread(self._arena.kill, victim)
            await _until(lambda: self._arena.is_back(victim, restarts=restarts), victim)
        killing = Killing(
            number=len(self.journal) + 1,
            victim=victim,
            moment=blow.moment,
            hit=hit,
            seconds_away=round(time.monotonic() - killed_at, 1),
            at=at,
        )
        self.journal.append(killing)
        return killing

    def _await_moment(self, blow: Blow) -> bool:
        """Return at the moment, or false when it has not come in time."""
        if blow.moment is Moment.ANY:
            return True
        is_there = {
            Moment.AFTER_CLAIM: lambda: self._sending(blow.victim, 0.0),
            Moment.DURING_POST: lambda: self._sending(blow.victim, 0.05),
            Moment.AFTER_ACCEPTANCE: lambda: self._sending(blow.victim, 0.3),
            Moment.WHILE_PLANNING: self._is_planning,
        }[blow.moment]
        end = time.monotonic() + _TARGET_SECONDS
        while time.monotonic() < end:
            with suppress(psycopg.Error):
                if is_there():
                    return True
            time.sleep(0.005)
        return False

    def _sending(self, worker: str, age_seconds: float) -> bool:
        """Whether this worker holds claims of that age.

        The sandbox takes a slow send at once and is silent about it for a second: a claim that is
        0.3 s old was taken and has no answer yet.
        """
        pid = self._arena.status(worker).pid
        row = self._one(
            "select exists (select from app.messages where state = 'sending'"
            " and lease_until is not null and claimed_by like '%%-' || %s || '-%%'"
            " and claimed_at <= clock_timestamp() - make_interval(secs => %s))",
            str(pid),
            age_seconds,
        )
        return bool(row)

    def _is_planning(self) -> bool:
        return bool(
            self._one("select exists (select from app.campaigns where status = 'planning')")
        )

    def _one(self, query: str, *values: object) -> object:
        with self._pool.connection(timeout=2) as connection:
            row = connection.execute(query.encode(), values).fetchone()
        return row[0] if row else None

    def _kill_backend(self) -> None:
        """SIGKILL the process that serves one connection."""
        serving = self._arena.backends()
        with suppress(psutil.NoSuchProcess):
            serving[0].kill()
        psutil.wait_procs(serving, timeout=30)
        wait_until_well(self._arena)

    def _restart_postgres(self) -> None:
        self._arena.stack.restart("postgres")
        wait_until_well(self._arena)


async def _until(condition: Callable[[], bool], name: str) -> None:
    end = time.monotonic() + _BACK_SECONDS
    while not await asyncio.to_thread(condition):
        if time.monotonic() > end:
            raise TimeoutError(f"{name} does not come back")
        await asyncio.sleep(0.05)
