"""The command line as somebody types it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.settings import Settings


def carteiro(
    *arguments: str, home: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    plain = {"PATH": os.environ["PATH"], "COLUMNS": "100", **environment}
    if home is not None:
        plain["CARTEIRO_HOME"] = str(home)
    return subprocess.run(
        [sys.executable, "-m", "carteiro", *arguments],
        env=plain,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_help_lists_the_commands_and_loads_no_heavy_package() -> None:
    done = carteiro("--help")
    assert done.returncode == 0
    for command in ("up", "down", "demo", "doctor", "sandbox", "api", "sender", "db"):
        assert f" {command} " in done.stdout
    code = (
        "import sys, carteiro.cli;"
        "heavy = {'psycopg', 'sqlalchemy', 'pydantic', 'kombu', 'fastapi', 'dagster', 'polars'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert loaded.stdout == "[]\n"


def test_version_is_the_package_version() -> None:
    assert carteiro("--version").stdout.startswith("carteiro 0.")


@pytest.mark.parametrize(
    "arguments", [("sender", "postman"), ("up", "--workers", "0"), ("nothing",)]
)
def test_a_wrong_argument_is_refused_with_status_2(arguments: tuple[str, ...]) -> None:
    done = carteiro(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_an_error_of_ours_is_one_line_without_the_password(tmp_path: Path) -> None:
    done = carteiro(
        *("db", "migrate", "--bootstrap"),
        home=tmp_path,
        CARTEIRO_DATABASE_URL="postgresql://someone:verysecret@127.0.0.1:1/carteiro",
    )
    assert done.returncode == 1
    assert done.stderr.startswith("carteiro: ")
    assert len(done.stderr.splitlines()) == 1
    assert "verysecret" not in done.stderr


def test_down_says_so_when_nothing_runs_and_makes_no_folder(tmp_path: Path) -> None:
    home = tmp_path / ".carteiro"
    done = carteiro("down", home=home)
    assert (done.returncode, done.stdout) == (0, "nothing was running\n")
    assert not home.exists()


def test_db_status_tells_an_empty_database_from_a_migrated_one(database: Settings) -> None:
    migrated = carteiro("db", "status", CARTEIRO_DATABASE_URL=database.database_url)
    assert migrated.returncode == 0, migrated.stderr
    warehouse = database.database_url
    empty = carteiro("db", "status", CARTEIRO_DATABASE_URL=_template1(warehouse))
    assert empty.returncode == 1
    assert "database: empty" in empty.stdout


def _template1(dsn: str) -> str:
    head, _, _ = dsn.rpartition("/")
    return f"{head}/template1"
