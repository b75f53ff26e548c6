"""Real servers for the integration tests, and the program that `make test` runs around pytest.

    python -m tests.support.services pytest -n 2

looks for PostgreSQL, RabbitMQ and Redis in this order: an address in the environment
(CARTEIRO_TEST_POSTGRES_URL, CARTEIRO_TEST_RABBITMQ_URL, CARTEIRO_TEST_REDIS_URL), the usual port on
localhost, Debian's programs (started for this run only, on free ports), and, as root on Debian,
`apt-get install`. It prints which versions it found. With CI=true a missing server is an error.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from carteiro.home import free_port
from carteiro.processes import wait_until

NOT_COVERED = "no server: "
#: Debian's.
RABBITMQ_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One real server that the product also runs on."""

    name: str
    variable: str
    usual_url: str
    packages: tuple[str, ...]
    version: Callable[[str], str | None]
    start: Callable[[ExitStack], str | None]

    def url(self) -> str | None:
        """The address of a server that answers now, or None."""
        candidates = (
            [os.environ[self.variable]] if self.variable in os.environ else [self.usual_url]
        )
        return next((url for url in candidates if self.version(url)), None)


def in_ci() -> bool:
    """Whether a missing server must fail the run."""
    return os.environ.get("CI", "").lower() in {"true", "1"}


def postgres_version(url: str) -> str | None:
    import psycopg

    try:
        with psycopg.connect(url, connect_timeout=3) as connection:
            row = connection.execute("show server_version").fetchone()
    except psycopg.OperationalError:
        return None
    return str(row[0]).split()[0] if row else None


def rabbitmq_version(url: str) -> str | None:
    import amqp
    import kombu

    connection = kombu.Connection(url, connect_timeout=3)
    try:
        connection.connect()
        properties = connection.connection.server_properties
        return str(properties.get("version"))
    except (OSError, amqp.AMQPError):
        return None
    finally:
        connection.release()


def redis_version(url: str) -> str | None:
    import redis

    try:
        with redis.Redis.from_url(url, socket_timeout=3, socket_connect_timeout=3) as client:
            return str(client.info("server")["redis_version"])
    except redis.RedisError:
        return None


def start_postgres(stack: ExitStack) -> str | None:
    """A private cluster from Debian's newest PostgreSQL, trusting nobody but its password."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version_of)
    if not versions:
        return None
    binaries = versions[-1].parent
    folder = private_folder(stack, owner="postgres")
    password_file = folder / "password"
    password = os.urandom(12).hex()
    password_file.write_text(password)
    password_file.chmod(0o644)
    port = free_port()
    as_user = run_as("postgres")
    subprocess.run(
        [
            *as_user,
            *(f"{binaries}/initdb", "--no-sync", "--username=postgres", "--auth=scram-sha-256"),
            *(f"--pgdata={folder}/data", f"--pwfile={password_file}", "-E", "UTF8", "--locale=C"),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd="/",
    )
    arguments = ["-D", f"{folder}/data", "-p", str(port), "-k", str(folder), "-F"]
    background(stack, [*as_user, f"{binaries}/postgres", *arguments], folder / "log")
    return f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"


def start_rabbitmq(stack: ExitStack) -> str | None:
    """A private node from Debian's RabbitMQ."""
    if not RABBITMQ_SERVER.exists():
        return None
    folder = private_folder(stack, owner=None)
    port = free_port()
    if not port_answers(4369):
        # Erlang's port mapper outlives the node that started it.
        stack.callback(subprocess.run, ["epmd", "-kill"], check=False, capture_output=True)
    environment = rabbitmq_environment(folder, port)
    background(stack, [str(RABBITMQ_SERVER)], folder / "output", environment)
    os.environ["CARTEIRO_TEST_RABBITMQ_NODE"] = environment["RABBITMQ_NODENAME"]
    os.environ["CARTEIRO_TEST_RABBITMQ_HOME"] = str(folder)
    return f"amqp://guest:guest@127.0.0.1:{port}//"


def rabbitmq_environment(folder: Path, port: int) -> dict[str, str]:
    """The environment of a node that keeps everything in `folder` and listens on `port`."""
    configuration = folder / "rabbitmq.conf"
    configuration.write_text(f"listeners.tcp.1 = 127.0.0.1:{port}\n")
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "RABBITMQ_NODENAME": f"carteiro-test-{port}@localhost",
        # Not Debian's files under /etc/rabbitmq, which may name ports of their own.
        "RABBITMQ_CONFIG_FILE": str(configuration),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
        "RABBITMQ_DIST_PORT": str(free_port(avoid={port})),
        "RABBITMQ_BASE": str(folder),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
    }


def start_redis(stack: ExitStack) -> str | None:
    """A private Redis without persistence."""
    program = shutil.which("redis-server")
    if program is None:
        return None
    folder = private_folder(stack, owner=None)
    port = free_port()
    arguments = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    background(stack, [program, *arguments], folder / "log")
    return f"redis://127.0.0.1:{port}/0"


SERVICES = (
    Service(
        name="PostgreSQL",
        variable="CARTEIRO_TEST_POSTGRES_URL",
        usual_url="postgresql://postgres@127.0.0.1:5432/postgres",
        packages=("postgresql",),
        version=postgres_version,
        start=start_postgres,
    ),
    Service(
        name="RabbitMQ",
        variable="CARTEIRO_TEST_RABBITMQ_URL",
        usual_url="amqp://guest:guest@127.0.0.1:5672//",
        packages=("rabbitmq-server",),
        version=rabbitmq_version,
        start=start_rabbitmq,
    ),
    Service(
        name="Redis",
        variable="CARTEIRO_TEST_REDIS_URL",
        usual_url="redis://127.0.0.1:6379/0",
        packages=("redis-server",),
        version=redis_version,
        start=start_redis,
    ),
)
POSTGRES, RABBITMQ, REDIS = SERVICES


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A server that each test starts for itself, before a database of its own."""

    name: str
    command: str
    packages: tuple[str, ...]

    def path(self) -> str | None:
        """Where it is, or None; Debian keeps servers where not everybody looks."""
        return shutil.which(self.command, path=os.environ.get("PATH", "") + ":/usr/sbin")


PGBOUNCER = Program(name="PgBouncer", command="pgbouncer", packages=("pgbouncer",))
PROGRAMS = (PGBOUNCER,)


def provide(service: Service, stack: ExitStack) -> str | None:
    """Find the server, start Debian's, or install it; returns its address or None."""
    if url := service.url():
        return url
    if service.variable in os.environ:
        return None  # the named one does not answer; never test another one silently
    url = service.start(stack)
    if url is None and _install(service):
        # Debian starts some servers while it installs them.
        url = service.url() or service.start(stack)
    if url is None:
        return None
    address = url
    if not wait_until(lambda: service.version(address) is not None, timeout_seconds=60):
        return None
    return address


def main(arguments: list[str]) -> int:
    """Provide the servers, run the command, stop what was started; returns its exit status."""
    with ExitStack() as stack:
        missing = []
        for service in SERVICES:
            url = provide(service, stack)
            if url is None:
                missing.append(service.name)
                continue
            os.environ[service.variable] = url
            where = url.rsplit("@", 1)[-1].removeprefix("redis://")
            print(f"integration tests use {service.name} {service.version(url)} at {where}")
        for program in PROGRAMS:
            if program.path() is None:
                _install(program)
            if program.path() is None:
                missing.append(program.name)
        for name in missing:
            print(f"NOT FOUND: {name}: its integration tests will not run", file=sys.stderr)
        if missing and in_ci():
            print("CI=true: a missing server fails the run", file=sys.stderr)
            return 1
        sys.stdout.flush()
        return subprocess.run(arguments, check=False).returncode


def _install(service: Service | Program) -> bool:
    """Install from Debian when we are root there; False when that is not possible."""
    if os.geteuid() != 0 or not Path("/etc/debian_version").exists():
        return False
    print(f"installing {' '.join(service.packages)} from Debian ...", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    quiet = ["apt-get", "-qq", "-o", "Dpkg::Use-Pty=0"]
    for command in (["update"], ["install", "-y", "--no-install-recommends", *service.packages]):
        done = subprocess.run([*quiet, *command], env=environment, check=False)
        if done.returncode != 0:
            return False
    return True


def private_folder(stack: ExitStack, *, owner: str | None) -> Path:
    """A folder that is gone with the stack, and belongs to `owner` where we are root."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="carteiro-test-")))
    if owner and os.geteuid() == 0:
        shutil.chown(folder, owner, owner)
    return folder


def run_as(user: str) -> list[str]:
    """What begins a command that root must not run itself; nothing for anybody else."""
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--"] * (
        os.geteuid() == 0
    )


def background(
    stack: ExitStack,
    arguments: list[str],
    log_file: Path,
    environment: dict[str, str] | None = None,
) -> None:
    """Run a server until the stack ends, its output in `log_file`."""
    stack.enter_context(_running(arguments, log_file, environment))


@contextmanager
def _running(
    arguments: list[str], log_file: Path, environment: dict[str, str] | None
) -> Iterator[None]:
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            arguments, stdout=log, stderr=log, env=environment, cwd="/", start_new_session=True
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _version_of(initdb: Path) -> int:
    return int(initdb.parents[1].name)


def port_answers(port: int) -> bool:
    """Whether somebody listens on 127.0.0.1:`port`."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
