"""The whole stack with a second pacer and a second applier, on Valkey or a RabbitMQ of our own."""

import os
import secrets
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import psutil

from carteiro.demo.people import TENANTS, DemoTenant
from carteiro.demo.world import sandbox_world
from carteiro.home import Home, free_port
from carteiro.postgres import EmbeddedPostgres
from carteiro.processes import Command
from carteiro.programs import http_answers, sender_programs
from carteiro.stack import Stack
from carteiro.supervisor import Program, State, Status, Supervisor
from tests.support.services import RABBITMQ_SERVER, rabbitmq_environment, rabbitmq_version

Broker = Literal["valkey", "rabbitmq"]
#: The clock is not moved: these times are short instead, and so is the quiet time of a doubt.
TIMES = {
    "CARTEIRO_LEASE_SECONDS": "8",
    "CARTEIRO_SEND_TIMEOUT_SECONDS": "6",
    "CARTEIRO_WEBHOOK_TIMEOUT_SECONDS": "2",
}
#: Meta's bad days: taken or not taken, and no answer that says so.
ANSWERS = {
    "drop_accepted": 0.003,
    "drop_unaccepted": 0.002,
    "hang_accepted": 0.004,
    "hang_unaccepted": 0.004,
    "http_500_accepted": 0.001,
    "http_500_unaccepted": 0.001,
    "truncated_accepted": 0.001,
    # Keeps calls open, so that a kill finds some under way.
    "slow_accepted": 0.1,
}
_PORTS = ("api", "sandbox", "valkey", "postgres")
_SECOND = {"pacer": "pacer-2", "applier": "applier-2"}
SERVERS = frozenset({"api", "sandbox", "valkey", "postgres", "rabbitmq"})


class Arena:
    """A running stack whose programs can be killed by name; a supervisor starts them again."""

    def __init__(self, stack: Stack, others: Sequence[Supervisor], broker: Broker) -> None:
        self.stack = stack
        self.broker = broker
        self._supervisors = (stack.supervisor, *others)

    def names(self) -> list[str]:
        """Every program that may be killed."""
        return [
            status.name
            for each in self._supervisors
            for status in each.statuses()
            if status.name != "migrations"
        ]

    def status(self, name: str) -> Status:
        return next(
            status
            for each in self._supervisors
            for status in each.statuses()
            if status.name == name
        )

    def kill(self, name: str) -> None:
        """SIGKILL of a program and everything it started, before anyone can say goodbye."""
        supervisor = next(
            each
            for each in self._supervisors
            if name in {status.name for status in each.statuses()}
        )
        for pid in supervisor.pids(name):
            with suppress(psutil.NoSuchProcess):
                # RabbitMQ's shell only waits for Erlang, which would live on.
                process = psutil.Process(pid)
                tree = process.children(recursive=True) if name == "rabbitmq" else []
                for each in (process, *tree):
                    with suppress(psutil.NoSuchProcess):
                        each.send_signal(signal.SIGKILL)

    def backends(self) -> list[psutil.Process]:
        """PostgreSQL's processes that serve a connection each."""
        (parent,) = self.stack.pids("postgres")
        found = []
        for child in psutil.Process(parent).children():
            with suppress(psutil.Error, IndexError):
                if "carteiro" in child.cmdline()[0]:
                    found.append(child)
        return found

    def is_well(self) -> bool:
        """Whether the API answers, which asks PostgreSQL."""
        return http_answers(f"{self.stack.env['CARTEIRO_API_BASE_URL']}/health/ready")

    def is_back(self, name: str, *, restarts: int) -> bool:
        """Whether a program was started again after `restarts`; servers must answer as well."""
        now = self.status(name)
        started = now.restarts > restarts and now.pid is not None
        return started and (now.state is State.RUNNING or name not in SERVERS)


def people(*, per_second: int) -> tuple[DemoTenant, ...]:
    """Three tenants with a number each; one sends marketing, two utility."""
    categories = ("MARKETING", "UTILITY", "UTILITY")
    return tuple(
        replace(tenant, throughput_per_second=per_second, category=category)
        for tenant, category in zip(TENANTS, categories, strict=True)
    )


@contextmanager
def arena(
    folder: Path,
    tenants: Sequence[DemoTenant],
    *,
    broker: Broker,
    seed: int,
    webhook_port: int,
    quiet_seconds: int,
) -> Iterator[Arena]:
    """Everything started; nothing is left when the block ends."""
    home = Home(folder / "home")
    home.prepare()
    for name in _PORTS:
        # Not the usual ports: another stack may be starting at this moment.
        home.port(name, preferred=free_port())
    given = {
        **{name: value for name, value in os.environ.items() if not name.startswith("CARTEIRO_")},
        **TIMES,
        "CARTEIRO_IN_DOUBT_QUIET_SECONDS": str(quiet_seconds),
        "CARTEIRO_WEBHOOK_ALLOW_HTTP": "true",
        "CARTEIRO_WEBHOOK_PORTS": str(webhook_port),
        "CARTEIRO_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
    }
    others: list[Supervisor] = []
    try:
        if broker == "rabbitmq":
            port = free_port()
            others.append(_supervise([_rabbitmq(folder, port)], home))
            given["CARTEIRO_BROKER_URL"] = f"amqp://guest:guest@127.0.0.1:{port}//"
        with Stack(
            home,
            workers=2,
            dagster=False,
            sandbox_world=_world(tenants, seed),
            environment=given,
        ) as stack:
            others.append(_supervise(_seconds(stack.env), home))
            yield Arena(stack, others, broker)
    finally:
        for each in reversed(others):
            each.stop()
        EmbeddedPostgres(
            folder=home.path / "postgres", identity=home.identity(), port=0, password=""
        ).remove()


def _supervise(programs: Sequence[Program], home: Home) -> Supervisor:
    # An identity of its own: a supervisor that ends, ends everything with its mark.
    supervisor = Supervisor(programs, logs=home.logs, stack_id=secrets.token_hex(8))
    supervisor.start()
    try:
        supervisor.wait_ready()
    except BaseException:
        supervisor.stop()
        raise
    return supervisor


def _seconds(environment: Mapping[str, str]) -> list[Program]:
    """The pacer that stands by, and a second applier."""
    programs = sender_programs(environment=environment, directory=Path.cwd(), workers=1)
    return [
        replace(program, name=_SECOND[program.name], after=())
        for program in programs
        if program.name in _SECOND
    ]


def _rabbitmq(folder: Path, port: int) -> Program:
    """A private node from Debian's program, with a port mapper of its own."""
    files = folder / "rabbitmq"
    files.mkdir()
    environment = {
        **rabbitmq_environment(files, port),
        "ERL_EPMD_PORT": str(free_port(avoid={port})),
    }
    command = Command(
        argv=(str(RABBITMQ_SERVER),), environment=environment, stop_timeout_seconds=20.0
    )
    url = f"amqp://guest:guest@127.0.0.1:{port}//"
    return Program(
        name="rabbitmq",
        command=lambda: command,
        health=lambda: rabbitmq_version(url) is not None,
        address=f"127.0.0.1:{port}",
    )


def _world(tenants: Sequence[DemoTenant], seed: int) -> dict[str, object]:
    world = sandbox_world(tenants, seed=seed, today=datetime.now(UTC).date())
    faults, callback = world["faults"], world["callback"]
    assert isinstance(faults, dict)
    assert isinstance(callback, dict)
    faults.update({"answers": ANSWERS, "hang_seconds": 1.0, "slow_seconds": 1.0})
    # Later than a careless retry: a quick status would stop it before it doubles anything.
    world["delivery"] = {
        "sent_ms": [500, 4000],
        "delivered_ms": [2000, 5000],
        "read_ms": [3000, 8000],
        "read_probability": 0.5,
    }
    callback.update({"retry_first_seconds": 0.5, "retry_max_seconds": 2.0})
    return world


def wait_until_well(arena: Arena, *, seconds: float = 120) -> None:
    """Return once the API answers. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not arena.is_well():
        if time.monotonic() > end:
            raise TimeoutError("the stack does not recover")
        time.sleep(0.1)
