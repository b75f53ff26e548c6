"""The warehouse database: made here, filled by the data path, disposable at any time."""

import psycopg

from core.dsn import DatabaseRole, with_role
from core.settings import Settings
from core.store.queries import load

Connection = psycopg.Connection[tuple[object, ...]]
#: Two runs at once: the second waits for the first and then finds nothing to do.
_PREPARE_LOCK = 7_243_002


def warehouse_dsn(settings: Settings, role: DatabaseRole = DatabaseRole.DATA) -> str:
    """The address of the warehouse for a role: `data` writes it, `app` reads tenant_marts."""
    return with_role(settings.warehouse_dsn(), role)


def prepare_warehouse(settings: Settings) -> None:
    """Create the schemas and tables that are missing; safe to run again and by two at once.

    The user of the warehouse's URL must own that database or be a superuser.
    """
    queries = load("warehouse")
    with psycopg.connect(settings.warehouse_dsn()) as connection:
        connection.execute("select pg_advisory_xact_lock(%s)", (_PREPARE_LOCK,))
        connection.execute(queries.create_schemas)
        connection.execute("set local role carteiro_data")
        connection.execute(queries.create_tables)
