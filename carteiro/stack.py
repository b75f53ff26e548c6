"""The whole product on one machine: for `carteiro up`, for the demo, for tests of the whole way.

with Stack(Home(Path(".carteiro")), workers=2) as stack:
    requests.get(f"{stack.env['CARTEIRO_API_BASE_URL']}/health/ready")
    stack.kill("worker-1", signal.SIGKILL)
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from carteiro import janitor, processes
from carteiro.home import Home, port_is_free
from carteiro.postgres import EmbeddedPostgres, remove_unused_installation
from carteiro.programs import Layout, Ports, process_table
from carteiro.supervisor import Status, Supervisor
from carteiro.valkey import CACHE_DATABASE, EmbeddedValkey
from core.errors import ConfigurationError, Conflict
from core.settings import Settings
from orchestration.instance import dagster_environment, prepare_dagster_home
from sandbox.demo_world import demo_world

#: Below the kernel's range for outgoing connections (32768 and up on Linux): while a server is down
#: for a moment, no client of it or of anybody else may be given its port.
PREFERRED_PORTS = {
    "api": 8000,
    "sandbox": 8010,
    "dagster": 3000,
    "dagster-code": 3001,
    "postgres": 15432,
    "valkey": 16379,
}
_DOWN_TIMEOUT_SECONDS = 60.0


class Stack:
    """Starts what the environment does not already name, and ends all of it with the block.

    `environment` decides as documented for `carteiro up`: CARTEIRO_DATABASE_URL, _BROKER_URL,
    _REDIS_URL and _META_BASE_URL, when set, replace PostgreSQL, Valkey and the sandbox.
    """

    def __init__(
        self,
        home: Home,
        *,
        workers: int = 2,
        dagster: bool = True,
        sandbox_world: Mapping[str, object] | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """`sandbox_world` replaces the sandbox's configuration of this home (docs/sandbox.md)."""
        self.home = home
        self._sandbox_world = sandbox_world
        self._workers = workers
        self._with_dagster = dagster
        self._given = {name: value for name, value in environment.items() if value != ""}
        self._lock = home.lock()
        self._janitor: janitor.Janitor | None = None
        self._supervisor: Supervisor | None = None
        #: The environment in which any of our programs works on this stack.
        self.env: dict[str, str] = {}

    def __enter__(self) -> "Stack":
        self.start()
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Clear what an earlier run left and begin to start; returns before anything is ready.

        Raises Conflict when the stack already runs on this home.
        """
        self.home.prepare()
        if not self._lock.acquire():
            raise Conflict(
                f"a stack already runs in {self.home.path} (process {self._lock.holder()}): "
                "end it with `carteiro down`"
            )
        try:
            stack_id = self.home.identity()
            processes.end_marked_processes(stack_id)
            table = process_table(self._layout())
            self._janitor = janitor.hire(stack_id)
            self._supervisor = Supervisor(table, logs=self.home.logs, stack_id=stack_id)
            self._supervisor.start()
        except BaseException:
            self.stop()
            raise

    def wait_ready(self) -> None:
        """Return when every program is ready; StackFailed, naming the log, when one is not."""
        self.supervisor.wait_ready()

    def stop(self) -> None:
        """End every process of the stack; safe to call twice."""
        if self._supervisor is not None:
            self._supervisor.stop()
        if self._janitor is not None:
            self._janitor.dismiss()
            self._janitor = None
        self._lock.release()

    @property
    def supervisor(self) -> Supervisor:
        if self._supervisor is None:
            raise RuntimeError("the stack has not been started")
        return self._supervisor

    def statuses(self) -> list[Status]:
        """One line a program: state, process id, restarts, memory, address."""
        return self.supervisor.statuses()

    def kill(self, name: str, signal_number: signal.Signals = signal.SIGKILL) -> list[int]:
        """Send a signal to a program (`worker-1`) or all its instances (`worker`)."""
        return self.supervisor.kill(name, signal_number)

    def pids(self, name: str) -> list[int]:
        """Process ids of a program's living instances."""
        return self.supervisor.pids(name)

    def restart(self, name: str) -> None:
        """Stop a program politely and have it started again."""
        self.supervisor.restart(name)

    def rss(self) -> dict[str, int]:
        """Peak memory in bytes by program name, over restarts as well."""
        return {status.name: status.peak_bytes for status in self.statuses()}

    def _layout(self) -> Layout:
        secrets = self.home.secrets()
        postgres, valkey = self._embedded_servers(secrets)
        ports = Ports(
            api=self._port("api"),
            sandbox=self._port("sandbox"),
            dagster=self._port("dagster"),
            code_server=self.home.port("dagster-code", preferred=PREFERRED_PORTS["dagster-code"]),
        )
        sandbox = "CARTEIRO_META_BASE_URL" not in self._given
        self.env = self._environment(secrets, ports, postgres, valkey, sandbox=sandbox)
        dagster_home = self._prepare_dagster()
        return Layout(
            environment=self.env,
            directory=Path.cwd(),
            ports=ports,
            workers=self._workers,
            postgres=postgres,
            valkey=valkey,
            sandbox=self._sandbox_config(secrets) if sandbox else None,
            dagster_home=dagster_home if self._with_dagster else None,
        )

    def _sandbox_config(self, secrets: Mapping[str, str]) -> Path:
        """The sandbox's world with the secrets of this home, in a file only its owner reads.

        Written once and kept, so that accounts and templates are the same at every start.
        """
        file = self.home.path / "sandbox.json"
        if self._sandbox_world is None and file.exists():
            return file
        world = {
            **(self._sandbox_world or demo_world(seed=1)),
            "app_secret": secrets["CARTEIRO_META_APP_SECRET"],
            "verify_token": secrets["CARTEIRO_META_VERIFY_TOKEN"],
            "journal": str(self.home.path / "sandbox.journal"),
        }
        file.touch(mode=0o600)
        file.write_text(json.dumps(world, indent=2), encoding="utf-8")
        return file

    def _embedded_servers(
        self, secrets: Mapping[str, str]
    ) -> tuple[EmbeddedPostgres | None, EmbeddedValkey | None]:
        postgres = valkey = None
        if "CARTEIRO_DATABASE_URL" not in self._given:
            postgres = EmbeddedPostgres(
                folder=self.home.path / "postgres",
                identity=self.home.identity(),
                port=self.home.port("postgres", preferred=PREFERRED_PORTS["postgres"]),
                password=secrets["CARTEIRO_EMBEDDED_POSTGRES_PASSWORD"],
            )
        if not {"CARTEIRO_BROKER_URL", "CARTEIRO_REDIS_URL"} <= self._given.keys():
            valkey = EmbeddedValkey(
                folder=self.home.path / "valkey",
                port=self.home.port("valkey", preferred=PREFERRED_PORTS["valkey"]),
                password=secrets["CARTEIRO_EMBEDDED_VALKEY_PASSWORD"],
            )
        return postgres, valkey

    def _environment(
        self,
        secrets: Mapping[str, str],
        ports: Ports,
        postgres: EmbeddedPostgres | None,
        valkey: EmbeddedValkey | None,
        *,
        sandbox: bool,
    ) -> dict[str, str]:
        """Ours first, so that whatever the caller has set wins."""
        shared = {name: value for name, value in secrets.items() if not name.startswith(_EMBEDDED)}
        ours = {
            **shared,
            "CARTEIRO_API_PORT": str(ports.api),
            "CARTEIRO_API_BASE_URL": f"http://127.0.0.1:{ports.api}",
            # There is no other process that requests could go to meanwhile.
            "CARTEIRO_DRAIN_SECONDS": "0",
            "CARTEIRO_SANDBOX_PORT": str(ports.sandbox),
            "CARTEIRO_DAGSTER_PORT": str(ports.dagster),
            "CARTEIRO_DAGSTER_CODE_PORT": str(ports.code_server),
        }
        if postgres is not None:
            ours["CARTEIRO_DATABASE_URL"] = postgres.dsn("carteiro")
        if valkey is not None:
            ours["CARTEIRO_BROKER_URL"] = valkey.url()
            ours["CARTEIRO_REDIS_URL"] = valkey.url(CACHE_DATABASE)
        if sandbox:
            ours["CARTEIRO_META_BASE_URL"] = f"http://127.0.0.1:{ports.sandbox}"
        self.home.write_environment(ours)
        programs_folder = str(Path(sys.executable).parent)
        return {
            **ours,
            **self._given,
            "CARTEIRO_HOME": str(self.home.path),
            # dbt and dagster look for each other's programs on the path.
            "PATH": f"{programs_folder}{os.pathsep}{self._given.get('PATH', os.defpath)}",
            "PYTHONUNBUFFERED": "1",
        }

    def _port(self, name: str) -> int:
        """The port the caller fixed, else the usual one, else a free one that is then kept."""
        variable = f"CARTEIRO_{name.upper()}_PORT"
        if variable not in self._given:
            return self.home.port(name, preferred=PREFERRED_PORTS[name])
        port = int(self._given[variable])
        if not port_is_free(port):
            raise ConfigurationError(f"port {port} ({variable}) is in use by another program")
        return port

    def _prepare_dagster(self) -> Path:
        """Dagster's folder and variables, also when its processes don't run: commands use them."""
        settings = Settings(
            home=self.home.path,
            database_url=self.env["CARTEIRO_DATABASE_URL"],
            dagster_database_url=self.env.get("CARTEIRO_DAGSTER_DATABASE_URL"),
        )
        self.env.update(dagster_environment(settings))
        return prepare_dagster_home(settings)


_EMBEDDED = "CARTEIRO_EMBEDDED_"


def start_detached(home: Home, *, arguments: tuple[str, ...] = ()) -> None:
    """Start `carteiro up` in the background and return when the whole stack is ready.

    Raises ConfigurationError with the log's name when it ends before that.
    """
    home.prepare()
    log_file = home.logs / "supervisor.log"
    ready_file = home.path / "ready"
    ready_file.unlink(missing_ok=True)
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "carteiro", "up", *arguments],
            env={**os.environ, "CARTEIRO_HOME": str(home.path)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    while not ready_file.exists():
        if process.poll() is not None:
            raise ConfigurationError(f"`carteiro up` ended at once; its log is {log_file}")
        time.sleep(0.1)


def stop_running(home: Home) -> bool:
    """End the stack that runs on this home, wherever it was started; False when there is none."""
    holder = home.lock().holder() if home.lock_file.exists() else None
    if holder is not None:
        os.kill(holder, signal.SIGTERM)
        processes.wait_until(
            lambda: home.lock().holder() is None, timeout_seconds=_DOWN_TIMEOUT_SECONDS
        )
    left = 0
    if (home.path / "stack-id").exists():
        left = processes.end_marked_processes(home.identity())
    return holder is not None or left > 0


def purge(home: Home) -> None:
    """Delete everything the one-machine stack keeps; the stack must be down."""
    if (home.path / "stack-id").exists():
        EmbeddedPostgres(
            folder=home.path / "postgres", identity=home.identity(), port=0, password=""
        ).remove()
    remove_unused_installation()
    shutil.rmtree(home.path, ignore_errors=True)
