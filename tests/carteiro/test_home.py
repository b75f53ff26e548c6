"""The state folder: secrets, ports, lock."""

import os
import socket
import subprocess
import sys
from base64 import b64decode
from pathlib import Path

import pytest

from carteiro.home import Home, free_port, port_is_free
from core.errors import ConfigurationError


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / ".carteiro")
    home.prepare()
    return home


def test_secrets_are_made_once_and_only_their_owner_reads_them(home: Home) -> None:
    first = home.secrets()
    assert first == home.secrets()
    assert len(b64decode(first["CARTEIRO_SECRET_KEY"])) == 32
    assert all(first.values())
    assert home.secrets_file.stat().st_mode & 0o777 == 0o600
    assert home.path.stat().st_mode & 0o777 == 0o700


def test_two_homes_share_no_secret_and_no_identity(home: Home, tmp_path: Path) -> None:
    other = Home(tmp_path / "other")
    other.prepare()
    assert not set(home.secrets().values()) & set(other.secrets().values())
    assert home.identity() != other.identity()
    assert home.identity() == Home(home.path).identity()


def test_a_port_is_kept_while_it_is_free_and_left_when_it_is_taken(home: Home) -> None:
    preferred = free_port()
    assert home.port("api", preferred=preferred) == preferred
    assert Home(home.path).port("api", preferred=1) == preferred
    with socket.socket() as other:
        other.bind(("127.0.0.1", preferred))
        other.listen()
        assert not port_is_free(preferred)
        moved = home.port("api", preferred=preferred)
    assert moved != preferred
    assert home.port("api", preferred=preferred) == moved


def test_two_services_never_get_the_same_port(home: Home) -> None:
    preferred = free_port()
    assert home.port("api", preferred=preferred) == preferred
    assert home.port("sandbox", preferred=preferred) != preferred


def test_the_lock_ends_with_its_holder_however_that_one_dies(home: Home) -> None:
    code = (
        "import sys, time; from pathlib import Path; from carteiro.home import Home;"
        "lock = Home(Path(sys.argv[1])).lock(); assert lock.acquire();"
        "print('held', flush=True); time.sleep(600)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(home.path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    with holder.stdout:
        assert holder.stdout.readline() == "held\n"
    assert home.lock().holder() == holder.pid
    assert not home.lock().acquire()
    holder.kill()
    holder.wait()
    assert home.lock().holder() is None
    lock = home.lock()
    assert lock.acquire()
    assert home.lock().holder() == os.getpid()
    lock.release()
    assert home.lock().holder() is None


def test_addresses_are_handed_on_only_while_the_stack_runs(home: Home) -> None:
    lock = home.lock()
    assert lock.acquire()
    home.write_environment({"CARTEIRO_DATABASE_URL": "postgresql://here"})
    assert home.running_environment() == {"CARTEIRO_DATABASE_URL": "postgresql://here"}
    assert (home.path / "environment.json").stat().st_mode & 0o077 == 0
    lock.release()
    assert home.running_environment() == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder of somebody else")
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / ".carteiro"
    folder.mkdir()
    os.chown(folder, 12345, 12345)
    with pytest.raises(ConfigurationError, match="belongs to uid 12345"):
        Home(folder).prepare()
