"""The process table, and what the environment turns off in it."""

from pathlib import Path

import pytest

from carteiro.home import Home
from carteiro.programs import SENDER_PARTS, process_table
from carteiro.stack import PREFERRED_PORTS, Stack
from carteiro.supervisor import Program
from sandbox.config import SandboxConfig
from sender.__main__ import PARTS

REAL_SERVERS = {
    "CARTEIRO_DATABASE_URL": "postgresql://user@db.example/carteiro",
    "CARTEIRO_BROKER_URL": "amqp://user:password@mq.example//",
    "CARTEIRO_REDIS_URL": "redis://cache.example/0",
    "CARTEIRO_META_BASE_URL": "https://graph.facebook.com",
}


def table(home: Path, environment: dict[str, str]) -> tuple[Stack, dict[str, Program]]:
    stack = Stack(Home(home), workers=3, environment={"PATH": "/usr/bin", **environment})
    stack.home.prepare()
    programs = process_table(stack._layout())
    return stack, {program.name: program for program in programs}


def test_every_part_of_the_sender_runs_and_workers_as_often_as_asked(tmp_path: Path) -> None:
    assert SENDER_PARTS == PARTS
    _, programs = table(tmp_path, {})
    assert {"planner", "pacer", "applier", "settler", "notifier"} <= programs.keys()
    assert [name for name in programs if name.startswith("worker")] == [
        "worker-1",
        "worker-2",
        "worker-3",
    ]


@pytest.mark.parametrize(
    ("variable", "replaced"),
    [
        ("CARTEIRO_DATABASE_URL", "postgres"),
        ("CARTEIRO_META_BASE_URL", "sandbox"),
    ],
)
def test_a_server_that_the_environment_names_is_not_started(
    variable: str, replaced: str, tmp_path: Path
) -> None:
    _, without = table(tmp_path, {})
    stack, programs = table(tmp_path, {variable: REAL_SERVERS[variable]})
    assert without.keys() - programs.keys() == {replaced}
    assert stack.env[variable] == REAL_SERVERS[variable]


def test_valkey_is_not_started_only_when_broker_and_cache_are_both_named(tmp_path: Path) -> None:
    broker = {"CARTEIRO_BROKER_URL": REAL_SERVERS["CARTEIRO_BROKER_URL"]}
    stack, programs = table(tmp_path, broker)
    assert "valkey" in programs
    assert stack.env["CARTEIRO_BROKER_URL"].startswith("amqp://")
    assert stack.env["CARTEIRO_REDIS_URL"].startswith("redis://:")
    _, programs = table(tmp_path, REAL_SERVERS)
    assert not {"valkey", "postgres", "sandbox"} & programs.keys()


def test_an_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    _, programs = table(tmp_path, {"CARTEIRO_DATABASE_URL": ""})
    assert "postgres" in programs


def test_each_process_of_the_sender_gets_a_metrics_port_of_its_own(tmp_path: Path) -> None:
    _, programs = table(tmp_path, {"CARTEIRO_METRICS_PORT": "9200"})
    ports = [
        programs[name].command().environment["CARTEIRO_METRICS_PORT"]
        for name in (
            *("planner", "pacer", "worker-1", "worker-2", "worker-3", "applier", "settler"),
            "notifier",
        )
    ]
    assert ports == [str(port) for port in range(9200, 9208)]


def test_everything_that_works_on_the_database_waits_for_the_migrations(tmp_path: Path) -> None:
    _, programs = table(tmp_path, {})
    assert programs["migrations"].after == ("postgres", "valkey")
    assert programs["migrations"].once
    for name in ("api", "planner", "worker-1", "dagster-code"):
        assert programs[name].after == ("migrations",)


def test_sandbox_and_api_share_the_secrets_of_the_folder(tmp_path: Path) -> None:
    stack, programs = table(tmp_path, {})
    file = stack.home.path / "sandbox.json"
    config = SandboxConfig.load(file)
    assert file.stat().st_mode & 0o077 == 0
    assert config.app_secret == stack.env["CARTEIRO_META_APP_SECRET"]
    assert config.verify_token == stack.env["CARTEIRO_META_VERIFY_TOKEN"]
    callback = f"{stack.env['CARTEIRO_API_BASE_URL']}/webhooks/meta"
    assert callback in programs["sandbox"].command().argv


def test_passwords_of_the_embedded_servers_leave_only_inside_their_addresses(
    tmp_path: Path,
) -> None:
    stack, _ = table(tmp_path, {})
    assert not [name for name in stack.env if name.startswith("CARTEIRO_EMBEDDED_")]
    assert set(stack.home.secrets()) - set(stack.env) == {
        "CARTEIRO_EMBEDDED_POSTGRES_PASSWORD",
        "CARTEIRO_EMBEDDED_VALKEY_PASSWORD",
    }


def test_no_usual_port_is_one_that_the_kernel_gives_to_clients() -> None:
    outgoing = Path("/proc/sys/net/ipv4/ip_local_port_range")
    # macOS has no such file; its range begins at 49152 and Linux' at 32768.
    first = int(outgoing.read_text().split()[0]) if outgoing.exists() else 32_768
    assert max(PREFERRED_PORTS.values()) < first
    assert len(set(PREFERRED_PORTS.values())) == len(PREFERRED_PORTS)
