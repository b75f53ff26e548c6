"""What a benchmark may use: embedded servers with fsync on, a broker, processes on a core."""

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import psutil

from carteiro.home import Home, free_port
from carteiro.postgres import EmbeddedPostgres
from core.settings import Settings
from tests.support import brokers, services
from tests.support.databases import DatabaseServer
from tests.support.embedded import embedded_valkey, running
from tests.support.settings import SECRET_KEY

PROJECT: Final = Path(__file__).resolve().parents[2]
OURS: Final = 0
"""The core of what is measured."""
OTHERS: Final = 1
"""The core of everything around it: stub, database, broker."""
#: What `tests.load.__main__` was started with, before it forgot it.
_BROKER_URL: Final = os.environ.get("CARTEIRO_BROKER_URL", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """A broker to measure with, and what it is called."""

    name: str
    url: str


@dataclass
class Stage:
    """Everything opened here is gone when the benchmark ends."""

    name: str
    folder: Path
    stack: ExitStack
    minutes: float = 1.0
    started: float = field(default_factory=time.monotonic)
    _postmaster: psutil.Process | None = None

    def say(self, text: str) -> None:
        """Progress, on stderr."""
        seconds = time.monotonic() - self.started
        print(f"[{self.name} {seconds:5.1f} s] {text}", file=sys.stderr, flush=True)

    def require_cores(self, count: int) -> None:
        """Raises RuntimeError on a smaller machine: its figure would say nothing."""
        if len(os.sched_getaffinity(0)) < count:
            raise RuntimeError(f"this benchmark needs {count} cores")

    def database_cpu(self) -> float:
        """CPU seconds of the whole embedded server: its processes, and those it has waited for."""
        assert self._postmaster is not None
        times: Any = self._postmaster.cpu_times()
        gone = times.children_user + times.children_system
        return float(
            cpu_seconds([self._postmaster, *self._postmaster.children(recursive=True)]) + gone
        )

    def spread_database(self) -> None:
        """Let the embedded PostgreSQL use every core: for what runs inside it alone."""
        assert self._postmaster is not None
        every_core = sorted(os.sched_getaffinity(0))
        for process in (self._postmaster, *self._postmaster.children(recursive=True)):
            # A backend may end while it is being asked.
            with suppress(psutil.NoSuchProcess):
                process.cpu_affinity(every_core)

    def database(self) -> Settings:
        """A fresh, migrated database on the embedded PostgreSQL."""
        return self.stack.enter_context(self.server.migrated_database())

    @cached_property
    def server(self) -> DatabaseServer:
        """The embedded PostgreSQL as it ships: fsync on. On the core of the others."""
        home = Home(self.folder)
        home.prepare()
        postgres = EmbeddedPostgres(
            folder=home.path / "postgres",
            identity=home.identity(),
            port=free_port(),
            password=secrets.token_urlsafe(12),
        )
        self.stack.callback(postgres.remove)
        command = postgres.prepare()
        with on_core(OTHERS):
            self.stack.enter_context(running(command, home, "postgres", postgres))
        first_line = (postgres.data / "postmaster.pid").read_text().splitlines()[0]
        self._postmaster = psutil.Process(int(first_line))
        return DatabaseServer(label="embedded", admin_dsn=postgres.dsn())

    def broker(self) -> Broker:
        """RabbitMQ where CARTEIRO_BROKER_URL or localhost has one, else the embedded Valkey."""
        url = _BROKER_URL if _BROKER_URL.startswith("amqp") else services.RABBITMQ.url()
        if url:
            own = self.stack.enter_context(brokers.virtual_host(url))
            return Broker(name="RabbitMQ", url=own)
        return self.valkey()

    def valkey(self) -> Broker:
        """An embedded Valkey."""
        folder = self.folder / "valkey"
        folder.mkdir()
        with on_core(OTHERS):
            valkey = self.stack.enter_context(embedded_valkey(folder))
        return Broker(name="Valkey", url=valkey.url())

    def start(
        self, name: str, arguments: Sequence[str], *, core: int | None, **environment: str
    ) -> psutil.Process:
        """Start `python ...` on one core (None: on any), its output in `<name>.log`.

        Ended with the stage.
        """
        log = self.folder / f"{name}.log"
        with log.open("ab") as output, on_core(core):
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=PROJECT,
                env={**os.environ, **environment},
                stdout=output,
                stderr=output,
            )
        self.stack.callback(_end, process)
        return psutil.Process(process.pid)

    def wait_for(
        self, condition: Callable[[], bool], seconds: float, *, every: float = 0.05
    ) -> None:
        """Raises TimeoutError, with the ends of all logs, when it does not come to pass."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"it did not come to pass in {seconds} s\n{self._logs()}")
            time.sleep(every)

    def _logs(self) -> str:
        return "\n".join(
            f"== {path.name}\n{path.read_text(errors='replace')[-2000:]}"
            for path in sorted(self.folder.glob("*.log"))
        )


@contextmanager
def open_stage(name: str, *, minutes: float = 1.0) -> Iterator[Stage]:
    """A stage in a folder of its own."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="carteiro-bench-")))
        yield Stage(name, folder, stack, minutes)


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """What is started inside runs on this core only (None: on any); a child inherits that."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, before if core is None else {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def product_environment(settings: Settings, broker: Broker, meta_url: str) -> dict[str, str]:
    """The variables that one of our processes needs."""
    return {
        "CARTEIRO_DATABASE_URL": settings.database_url,
        "CARTEIRO_BROKER_URL": broker.url,
        # The rate counters; where there is no Redis, as at port 9, each process counts for itself.
        "CARTEIRO_REDIS_URL": "redis://127.0.0.1:9/0" if broker.name == "RabbitMQ" else broker.url,
        "CARTEIRO_SECRET_KEY": SECRET_KEY,
        "CARTEIRO_META_BASE_URL": meta_url,
        "CARTEIRO_ENVIRONMENT": "ci",
        "CARTEIRO_LOG_LEVEL": "WARNING",
    }


def cpu_seconds(processes: Sequence[psutil.Process]) -> float:
    """User and system time of these processes so far; who has ended counts nothing."""
    total = 0.0
    for process in processes:
        try:
            times: Any = process.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system
    return total


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
