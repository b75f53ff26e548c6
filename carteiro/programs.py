"""The process table of the one-machine stack: which programs, in which order, how they are well."""

import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from carteiro.postgres import EmbeddedPostgres
from carteiro.processes import Command
from carteiro.supervisor import Program
from carteiro.valkey import EmbeddedValkey

SENDER_PARTS = ("planner", "pacer", "worker", "applier", "settler", "notifier")
#: The parts drain for five seconds; the applier may be in the middle of a batch.
_SENDER_STOP_SECONDS = 8.0
#: `dagster code-server start` was seen to ignore SIGTERM for minutes (1.13.27, November 2026).
_DAGSTER_STOP_SECONDS = 6.0
#: 12 s on a free machine; 90 s were not enough for one with other work and nothing compiled yet.
_DAGSTER_START_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where the stack listens, all on 127.0.0.1."""

    api: int
    sandbox: int
    dagster: int
    code_server: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What to run: which servers are ours, how many workers, with which environment."""

    environment: Mapping[str, str]
    directory: Path
    ports: Ports
    workers: int
    postgres: EmbeddedPostgres | None
    valkey: EmbeddedValkey | None
    #: The sandbox's configuration; None when another Cloud API is used.
    sandbox: Path | None
    dagster_home: Path | None


def process_table(layout: Layout) -> list[Program]:
    """All programs; each starts when those named in `after` have been ready once."""
    servers = _servers(layout)
    migrations = Program(
        name="migrations",
        command=_python(layout, "-m", "carteiro", "db", "migrate", "--bootstrap"),
        after=tuple(server.name for server in servers),
        once=True,
    )
    programs = [*servers, migrations, _api(layout), *_stack_sender(layout)]
    if layout.sandbox is not None:
        programs.append(_sandbox(layout, layout.sandbox))
    if layout.dagster_home is not None:
        programs += _dagster(layout, layout.dagster_home)
    return programs


def http_answers(url: str) -> bool:
    """Whether a GET of `url` is answered with 2xx within two seconds."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310
            return bool(200 <= answer.status < 300)
    except (OSError, urllib.error.URLError):
        return False


def port_answers(port: int) -> bool:
    """Whether somebody listens on 127.0.0.1:`port`."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _servers(layout: Layout) -> list[Program]:
    programs = []
    if (postgres := layout.postgres) is not None:
        programs.append(
            Program(
                name="postgres",
                command=postgres.prepare,
                health=postgres.is_ready,
                address=f"127.0.0.1:{postgres.port}",
            )
        )
    if (valkey := layout.valkey) is not None:
        programs.append(
            Program(
                name="valkey",
                command=valkey.prepare,
                health=valkey.is_ready,
                address=f"127.0.0.1:{valkey.port}",
            )
        )
    return programs


def _api(layout: Layout) -> Program:
    address = f"http://127.0.0.1:{layout.ports.api}"
    return Program(
        name="api",
        command=_python(
            layout,
            *("-m", "api"),
        ),
        after=("migrations",),
        health=lambda: http_answers(f"{address}/health/ready"),
        address=address,
    )


def sender_programs(
    *,
    environment: Mapping[str, str],
    directory: Path,
    workers: int,
    after: tuple[str, ...] = (),
) -> list[Program]:
    """Every part of the sender once, and `workers` workers.

    CARTEIRO_METRICS_PORT, when set, is the port of the first; the others take the next ones.
    """
    names: dict[str, tuple[str, ...]] = {part: (part,) for part in SENDER_PARTS}
    names["worker"] = tuple(f"worker-{number}" for number in range(1, workers + 1))
    processes = [(part, name) for part in SENDER_PARTS for name in names[part]]
    return [
        Program(
            name=name,
            command=_constant(
                Command(
                    argv=(sys.executable, "-m", "sender", part),
                    environment=_with_metrics_port(environment, number),
                    directory=directory,
                    stop_timeout_seconds=_SENDER_STOP_SECONDS,
                )
            ),
            after=after,
        )
        for number, (part, name) in enumerate(processes)
    ]


def _with_metrics_port(environment: Mapping[str, str], number: int) -> Mapping[str, str]:
    first = environment.get("CARTEIRO_METRICS_PORT", "")
    if not first.isdigit():
        return environment
    return {**environment, "CARTEIRO_METRICS_PORT": str(int(first) + number)}


def _stack_sender(layout: Layout) -> list[Program]:
    return sender_programs(
        environment=layout.environment,
        directory=layout.directory,
        workers=layout.workers,
        after=("migrations",),
    )


def _sandbox(layout: Layout, config: Path) -> Program:
    address = f"http://127.0.0.1:{layout.ports.sandbox}"
    callback = f"http://127.0.0.1:{layout.ports.api}/webhooks/meta"
    return Program(
        name="sandbox",
        command=_python(
            layout,
            *("-m", "sandbox", "--port", str(layout.ports.sandbox)),
            *("--callback", callback, "--config", str(config), "--json"),
        ),
        health=lambda: port_answers(layout.ports.sandbox),
        address=address,
    )


def _dagster(layout: Layout, home: Path) -> list[Program]:
    """Code server, daemon and web server; they find each other through `workspace.yaml`."""
    port = layout.ports.code_server
    workspace = home / "workspace.yaml"
    workspace.write_text(
        "load_from:\n"
        "  - grpc_server:\n"
        "      host: 127.0.0.1\n"
        f"      port: {port}\n"
        "      location_name: carteiro\n"
    )
    programs_folder = Path(sys.executable).parent
    address = f"http://127.0.0.1:{layout.ports.dagster}"

    def dagster(program: str, *arguments: str) -> Callable[[], Command]:
        argv = (sys.executable, str(programs_folder / program), *arguments)
        return _command(layout, argv, stop_timeout_seconds=_DAGSTER_STOP_SECONDS)

    code_server = ("code-server", "start", "-h", "127.0.0.1", "-p", str(port))
    web_server = ("-h", "127.0.0.1", "-p", str(layout.ports.dagster), "-w", str(workspace))
    return [
        Program(
            name="dagster-code",
            command=dagster("dagster", *code_server, "-m", "orchestration.definitions"),
            after=("migrations",),
            health=lambda: port_answers(port),
            start_timeout_seconds=_DAGSTER_START_SECONDS,
        ),
        Program(
            name="dagster-daemon",
            command=dagster("dagster-daemon", "run", "-w", str(workspace)),
            after=("dagster-code",),
        ),
        Program(
            name="dagster-web",
            command=dagster("dagster-webserver", *web_server),
            after=("dagster-code",),
            health=lambda: http_answers(f"{address}/server_info"),
            address=address,
            start_timeout_seconds=_DAGSTER_START_SECONDS,
        ),
    ]


def _python(layout: Layout, *arguments: str) -> Callable[[], Command]:
    return _command(layout, (sys.executable, *arguments), stop_timeout_seconds=10.0)


def _command(
    layout: Layout, argv: tuple[str, ...], *, stop_timeout_seconds: float
) -> Callable[[], Command]:
    return _constant(
        Command(
            argv=argv,
            environment=layout.environment,
            directory=layout.directory,
            stop_timeout_seconds=stop_timeout_seconds,
        )
    )


def _constant(command: Command) -> Callable[[], Command]:
    return lambda: command
