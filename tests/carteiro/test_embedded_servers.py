"""PostgreSQL and Valkey from wheels, durable, through kills and awkward folders."""

import os
import pwd
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from carteiro import processes
from carteiro.home import Home, free_port
from carteiro.postgres import EmbeddedPostgres, system_folder
from carteiro.processes import wait_until
from carteiro.valkey import EmbeddedValkey
from tests.support.embedded import running

AS_ROOT = os.geteuid() == 0


def server_in(home: Home) -> EmbeddedPostgres:
    home.prepare()
    return EmbeddedPostgres(
        folder=home.path / "postgres",
        identity=home.identity(),
        port=home.port("postgres", preferred=free_port()),
        password=home.secrets()["CARTEIRO_EMBEDDED_POSTGRES_PASSWORD"],
    )


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A private folder with spaces, too deep for a Unix socket."""
    closed = tmp_path / "only its owner enters"
    closed.mkdir(mode=0o700)
    home = Home(closed / ("deep " * 12) / "é" / ".carteiro")
    yield home
    server_in(home).remove()


@contextmanager
def serving(home: Home) -> Iterator[EmbeddedPostgres]:
    server = server_in(home)
    with running(server.prepare(), home, "postgres", server):
        yield server


def test_data_survive_a_stop_and_a_start(home: Home) -> None:
    with serving(home) as server, psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("create table kept as select 42 as answer")
    with serving(home) as server, psycopg.connect(server.dsn()) as connection:
        assert connection.execute("select answer from kept").fetchone() == (42,)
        settings = connection.execute(
            "select current_setting('fsync'), current_setting('data_checksums'),"
            " current_setting('server_version_num')::int / 10000"
        ).fetchone()
    assert settings == ("on", "on", 18)


def test_acknowledged_rows_survive_sigkill_of_every_process(home: Home) -> None:
    server = server_in(home)
    command = server.prepare()
    log_file = home.logs / "postgres.log"
    process = processes.start(command, log_file=log_file, stack_id=home.identity())
    assert wait_until(server.is_ready, timeout_seconds=30)
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("create table kept as select 42 as answer")
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for member in family:
        member.kill()
    process.wait()
    assert (server.data / "postmaster.pid").exists()
    with serving(home) as server, psycopg.connect(server.dsn()) as connection:
        assert connection.execute("select answer from kept").fetchone() == (42,)


def test_a_running_leftover_is_ended_before_a_new_start(home: Home) -> None:
    server = server_in(home)
    log_file = home.logs / "postgres.log"
    left = processes.start(server.prepare(), log_file=log_file, stack_id=home.identity())
    assert wait_until(server.is_ready, timeout_seconds=30)
    with serving(home):
        assert left.wait(timeout=5) == 0


def test_a_pid_file_that_names_an_innocent_process_is_no_obstacle(home: Home) -> None:
    with serving(home) as server:
        contents = (server.data / "postmaster.pid").read_text().splitlines()
    contents[0] = str(os.getpid())
    (server.data / "postmaster.pid").write_text("\n".join(contents) + "\n")
    with serving(home) as server:
        assert server.is_ready()


def test_no_connection_without_the_password(home: Home) -> None:
    with serving(home) as server:
        address = server.dsn().replace(server.password, "guessed")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(address)
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(
                host=str(server.socket_folder),
                port=server.port,
                user="postgres",
                password="guessed",
            )
        psycopg.connect(
            host=str(server.socket_folder),
            port=server.port,
            user="postgres",
            password=server.password,
        ).close()


def test_the_log_holds_no_values_of_failed_statements(home: Home) -> None:
    with serving(home) as server, psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("create table people (phone text primary key)")
        for _ in range(2):
            try:
                connection.execute("insert into people values ('+5511987654321')")
            except psycopg.errors.UniqueViolation:
                refused = True
    assert refused
    log = (home.logs / "postgres.log").read_text()
    assert "duplicate key value violates unique constraint" in log
    assert "5511987654321" not in log


@pytest.mark.skipif(not AS_ROOT, reason="an ordinary user's server runs as that user")
def test_root_opens_no_folder_and_shares_no_account(home: Home, tmp_path: Path) -> None:
    closed = tmp_path / "only its owner enters"
    with serving(home) as server:
        account = server.account
        assert account is not None
        postmaster = int((server.data / "postmaster.pid").read_text().splitlines()[0])
        assert set(psutil.Process(postmaster).uids()) == {account.uid}
        assert psutil.Process(postmaster).environ().get("CARTEIRO_STACK_ID") == home.identity()
    assert account.uid not in {entry.pw_uid for entry in pwd.getpwall()}
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert stat.S_IMODE(home.path.stat().st_mode) == 0o700
    assert stat.S_IMODE(server.base.stat().st_mode) & 0o007 == 0
    assert stat.S_IMODE(system_folder().stat().st_mode) == 0o755


def test_what_valkey_acknowledged_survives_sigkill(home: Home) -> None:
    home.prepare()
    server = EmbeddedValkey(folder=home.path / "valkey", port=free_port(), password="p@ss word")
    command = server.prepare()
    log_file = home.logs / "valkey.log"
    process = processes.start(command, log_file=log_file, stack_id=home.identity())
    assert wait_until(server.is_ready, timeout_seconds=30)
    with redis.Redis.from_url(server.url()) as client:
        for number in range(2000):
            client.set(f"key-{number}", number)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with running(server.prepare(), home, "valkey", server):
        with redis.Redis.from_url(server.url()) as client:
            assert client.dbsize() == 2000
        with (
            redis.Redis(port=server.port, retry=Retry(NoBackoff(), 0)) as stranger,
            pytest.raises(redis.exceptions.AuthenticationError),
        ):
            stranger.ping()
    assert (home.path / "valkey" / "valkey.conf").stat().st_mode & 0o077 == 0
