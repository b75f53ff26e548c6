"""How dbt is called: its environment, and the parameters of a run as session settings."""

import os
import sys
from collections.abc import Mapping
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
    """The variables dbt_project/profiles.yml reads, from the warehouse's address (socket or TCP)."""
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
