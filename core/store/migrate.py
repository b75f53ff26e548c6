"""Brings databases and roles into being and applies the migrations.

Revisions live in `migrations/versions`: one Python file for Alembic and one reviewed SQL file
beside it, named `NNNN_<expand|backfill|contract>_<what>`. There are no downgrades that drop data:
rolling back means running the previous release on the newer schema (docs/decisions/0004).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import psycopg
import sqlalchemy
from alembic import command, op
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from core.errors import ConfigurationError
from core.settings import Settings

MIGRATIONS = Path(__file__).parent / "migrations"
ROLES = ("owner", "migrator", "app", "worker", "data", "operator", "readonly", "auth")
_RUNTIME_ROLES = "carteiro_app, carteiro_worker, carteiro_data, carteiro_operator"
#: Two migrators at once: the second waits for the first and then finds nothing to do.
MIGRATION_LOCK = 7_243_001


def bootstrap(settings: Settings) -> list[str]:
    """Create the three databases and the roles that are missing; returns what was created.

    Needs a database user that may create databases and roles. Safe to run again and by two
    processes at once.
    """
    wanted = (settings.database_url, settings.warehouse_dsn(), settings.dagster_dsn())
    created = [
        f"database {conninfo_to_dict(dsn)['dbname']}" for dsn in wanted if _create_database(dsn)
    ]
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        created += _create_roles(connection)
    return created


def upgrade(settings: Settings) -> str:
    """Apply every missing revision and create partitions ahead; returns the revision reached."""
    with _alembic(settings) as (config, connection):
        command.upgrade(config, "head")
        connection.execute(
            sqlalchemy.text("select ops.ensure_partitions(now(), :days)"),
            {"days": settings.partition_days_ahead},
        )
        # Readiness compares the schema with the release; Alembic's table is the admin's own.
        for grant in ("usage on schema public", "select on public.schema_version"):
            connection.execute(sqlalchemy.text(f"grant {grant} to {_RUNTIME_ROLES}"))
        connection.commit()
        return _current(connection) or ""


def revisions(settings: Settings) -> tuple[str | None, str]:
    """The revision the database has and the one this release needs."""
    with _alembic(settings) as (config, connection):
        head = ScriptDirectory.from_config(config).get_current_head()
        return _current(connection), cast(str, head)


def run_sql_file(revision_file: str) -> None:
    """Run the SQL file beside a revision, as its owner, within the revision's transaction."""
    statements = Path(revision_file).with_suffix(".sql").read_text(encoding="utf-8")
    connection = op.get_bind()
    # A migration that cannot get its lock gives up instead of queueing everybody behind it.
    connection.exec_driver_sql("set local lock_timeout = '5s'")
    connection.exec_driver_sql("set local role carteiro_owner")
    # One simple-protocol call, no parameters: the file is sent as it was reviewed.
    driver = cast(psycopg.Connection[tuple[object, ...]], connection.connection.dbapi_connection)
    driver.execute(statements.encode(), prepare=False)
    connection.exec_driver_sql("reset role")


@contextmanager
def _alembic(settings: Settings) -> Iterator[tuple[Config, sqlalchemy.Connection]]:
    """An Alembic config bound to a connection that holds the migration lock."""
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(settings.database_url),
        poolclass=sqlalchemy.NullPool,
    )
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f"select pg_advisory_lock({MIGRATION_LOCK})"))
        connection.commit()
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        yield config, connection
        connection.rollback()
        connection.execute(sqlalchemy.text(f"select pg_advisory_unlock({MIGRATION_LOCK})"))


def _current(connection: sqlalchemy.Connection) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table": "schema_version"})
    return context.get_current_revision()


def _create_database(dsn: str) -> bool:
    """Create the database a DSN names when it is missing."""
    wanted = str(conninfo_to_dict(dsn).get("dbname") or "")
    if not wanted:
        raise ConfigurationError("CARTEIRO_DATABASE_URL names no database; add /carteiro to it")
    try:
        with psycopg.connect(dsn, connect_timeout=10):
            return False
    except psycopg.OperationalError as error:
        if "does not exist" not in str(error):
            raise ConfigurationError(
                f"cannot reach the server of database {wanted}: is it up, may this user log in?"
            ) from error
    maintenance = make_conninfo(dsn, dbname="postgres")
    with psycopg.connect(maintenance, autocommit=True) as connection:
        try:
            connection.execute(
                sql.SQL("create database {} template template0 encoding 'UTF8'").format(
                    sql.Identifier(wanted)
                )
            )
        except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            return False
    return True


def _create_roles(connection: psycopg.Connection[tuple[object, ...]]) -> list[str]:
    """Create carteiro_<role>, none of which may log in, and let the current user become them.

    A process connects as the user of its URL and takes its role at connect time
    (`options=-c role=...`); in production each process has its own login user that is a member of
    just one of these.
    """
    created: list[str] = []
    for role in ROLES:
        name = f"carteiro_{role}"
        known = connection.execute("select 1 from pg_roles where rolname = %s", (name,)).fetchone()
        if known is None:
            try:
                connection.execute(sql.SQL("create role {} nologin").format(sql.Identifier(name)))
                created.append(f"role {name}")
            except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
                continue
    _grant_memberships(connection)
    return created


def _grant_memberships(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    row = connection.execute(
        "select current_user, rolsuper from pg_roles where rolname = current_user"
    ).fetchone()
    if row is None:
        raise ConfigurationError("the database user has vanished while bootstrapping")
    user, superuser = str(row[0]), bool(row[1])
    if not superuser:
        for role in ROLES:
            connection.execute(
                sql.SQL("grant {} to {}").format(
                    sql.Identifier(f"carteiro_{role}"), sql.Identifier(user)
                )
            )
    connection.execute("grant carteiro_owner to carteiro_migrator")
    connection.execute("grant carteiro_auth to carteiro_owner")
    database = connection.info.dbname
    connection.execute("revoke all on schema public from public")
    connection.execute(
        sql.SQL("grant create on database {} to carteiro_owner").format(sql.Identifier(database))
    )
