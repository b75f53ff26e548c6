"""Dagster's home: its folder, its configuration file, the variables that file reads."""

import shutil
from pathlib import Path

from core.dsn import for_sqlalchemy, parse_dsn, write_url
from core.settings import Settings

CONFIGURATION = Path(__file__).resolve().parents[1] / "deploy" / "dagster.yaml"


def dagster_environment(settings: Settings) -> dict[str, str]:
    """The variables of deploy/dagster.yaml; every Dagster process of a machine needs them.

    SQLAlchemy's driver is named in the address: with psycopg 3 installed another version of it
    would choose that, on which dagster-postgres dies at its first event.
    """
    home = settings.home / "dagster"
    # A run writes hundreds of small events; losing the last of them with the machine costs nothing,
    # waiting for the disk at each doubles the time of a run.
    parts = parse_dsn(settings.dagster_dsn())
    options = f"{parts.get('options', '')} -c synchronous_commit=off".strip()
    address = write_url({**parts, "options": options})
    return {
        "DAGSTER_HOME": str(home),
        "DAGSTER_PG_URL": for_sqlalchemy(address, driver="psycopg2"),
        "DAGSTER_COMPUTE_LOGS": str(home / "compute_logs"),
        "DAGSTER_ARTIFACTS": str(home / "storage"),
        "DO_NOT_TRACK": "1",
    }


def prepare_dagster_home(settings: Settings) -> Path:
    """Make the folder and put the configuration there; safe to call at each start."""
    home = Path(dagster_environment(settings)["DAGSTER_HOME"])
    for folder in (home, home / "compute_logs", home / "storage"):
        folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(CONFIGURATION, home / "dagster.yaml")
    return home
