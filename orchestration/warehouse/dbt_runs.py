"""How dbt is called: its environment, and the parameters of a run as session settings."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from core.dsn import parse_dsn
from core.errors import ConfigurationError
from core.settings import Settings

DBT_PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"
DBT_EXECUTABLE = Path(sys.prefix) / "bin" / "dbt"
#: Enough to parse the project where there is no warehouse.
NO_WAREHOUSE: Mapping[str, str] = {
    "DBT_WAREHOUSE_HOST": "localhost",
    "DBT_WAREHOUSE_PORT": "5432",
    "DBT_WAREHOUSE_USER": "nobody",
    "DBT_WAREHOUSE_DATABASE": "none",
}


def dbt_environment(settings: Settings) -> dict[str, str]:
    """The variables of dbt_project/profiles.yml, from the warehouse's address (socket or TCP)."""
    parts = parse_dsn(settings.warehouse_dsn())
    database = parts.get("dbname")
    if not database:
        raise ConfigurationError("the warehouse's address names no database")
    return {
        "DBT_WAREHOUSE_HOST": parts.get("host", "localhost"),
        "DBT_WAREHOUSE_PORT": parts.get("port", "5432"),
        "DBT_WAREHOUSE_USER": parts.get("user", os.environ.get("USER", "postgres")),
        "DBT_ENV_SECRET_WAREHOUSE_PASSWORD": parts.get("password", ""),
        "DBT_WAREHOUSE_DATABASE": database,
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
    }


def run_options(*, as_of: datetime) -> dict[str, str]:
    """PGOPTIONS with the parameters of a run: changing them never makes dbt parse again."""
    if as_of.tzinfo is None:
        raise ValueError("as_of needs an aware datetime")
    moment = as_of.isoformat().replace(" ", "T")
    return {"PGOPTIONS": f"-c timezone=UTC -c carteiro.as_of={moment}"}


@contextmanager
def variables(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for the commands started within; put back afterwards."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def tidy_target(target: Path) -> None:
    """Keep what dbt parsed for the next run and drop the rest of a run that went well.

    dbt parses everything again when the profile is another one than last time (three seconds), and
    each run leaves some megabytes.
    """
    parsed = target / "partial_parse.msgpack"
    if parsed.exists():
        # One rename: a run that starts now copies the old file or the new one, whole.
        parsed.replace(DBT_PROJECT / "target" / parsed.name)
    shutil.rmtree(target, ignore_errors=True)


def ensure_manifest() -> Path:
    """dbt's manifest, parsed again when a file of the project is newer; needs no server.

    The one thing that happens at import: Dagster builds its assets from this file. Releases and
    images bring it along and then nothing is run. Two processes at once: the second waits.
    """
    manifest = DBT_PROJECT / "target" / "manifest.json"
    if _is_current(manifest):
        return manifest
    manifest.parent.mkdir(exist_ok=True)
    with (manifest.parent / ".parse.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_current(manifest):
            _parse()
    return manifest


def _is_current(manifest: Path) -> bool:
    if not manifest.exists():
        return False
    parsed_at = manifest.stat().st_mtime
    return all(
        path.stat().st_mtime <= parsed_at
        for folder in ("models", "macros", "functions", "tests")
        for path in (DBT_PROJECT / folder).rglob("*")
        if path.is_file()
    )


def _parse() -> None:
    done = subprocess.run(
        [str(DBT_EXECUTABLE), "parse", "--quiet"],
        cwd=DBT_PROJECT,
        env={
            **os.environ,
            **NO_WAREHOUSE,
            "DBT_PROFILES_DIR": str(DBT_PROJECT),
            "DO_NOT_TRACK": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ConfigurationError(f"dbt cannot parse its project: {done.stdout.strip()[-2000:]}")
