"""The database itself keeps tenants apart: forced policies, roles that can do only their work."""

import psycopg
import pytest
from psycopg import sql

from core.settings import DatabaseRole, Settings

TENANT_TABLES = """
    select n.nspname || '.' || c.relname, c.relrowsecurity, c.relforcerowsecurity
    from pg_class as c
    inner join pg_namespace as n on c.relnamespace = n.oid
    inner join pg_attribute as a on a.attrelid = c.oid and a.attname = 'tenant_id'
    where n.nspname in ('app', 'raw', 'billing')
        and c.relkind in ('r', 'p') and not c.relispartition
    order by 1
"""
#: Tables whose tenant may be unknown when the row is written.
LEADING_KEY_EXEMPT = {
    "raw.webhook_quarantine",
    "raw.orphan_statuses",
    "raw.message_events",
}


def test_every_tenant_table_forces_row_level_security(database: Settings) -> None:
    with psycopg.connect(database.database_url) as connection:
        tables = connection.execute(TENANT_TABLES).fetchall()
    assert len(tables) > 20
    assert [name for name, enabled, forced in tables if not (enabled and forced)] == []


def test_every_tenant_table_leads_its_primary_key_with_the_tenant(database: Settings) -> None:
    query = """
        select n.nspname || '.' || c.relname, a.attname
        from pg_index as i
        inner join pg_class as c on i.indrelid = c.oid
        inner join pg_namespace as n on c.relnamespace = n.oid
        inner join pg_attribute as a on a.attrelid = c.oid and a.attnum = i.indkey[0]
        where i.indisprimary and n.nspname in ('app', 'raw', 'billing') and not c.relispartition
    """
    with psycopg.connect(database.database_url) as connection:
        leading = {row[0]: row[1] for row in connection.execute(query).fetchall()}
        tables = [row[0] for row in connection.execute(TENANT_TABLES).fetchall()]
    wrong = [
        name for name in tables if name not in LEADING_KEY_EXEMPT and leading[name] != "tenant_id"
    ]
    assert wrong == []


@pytest.mark.parametrize("role", [DatabaseRole.APP, DatabaseRole.READONLY])
def test_without_a_tenant_these_roles_see_no_row(database: Settings, role: DatabaseRole) -> None:
    with psycopg.connect(database.database_url, autocommit=True) as admin:
        admin.execute(
            "insert into app.tenants (tenant_id, slug, name, timezone, currency, default_region,"
            " pseudonym_key) values (gen_random_uuid(), 'only-one', 'Only One', 'UTC', 'EUR', 'PT',"
            " sha256('k'))"
        )
        assert admin.execute("select count(*) from app.tenants").fetchone() == (1,)
    with psycopg.connect(database.dsn(role)) as connection:
        assert connection.execute("select count(slug) from app.tenants").fetchone() == (0,)


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        (DatabaseRole.APP, "update app.consents set action = 'granted'"),
        (DatabaseRole.APP, "delete from app.messages"),
        (DatabaseRole.APP, "select body from raw.webhook_bodies"),
        (DatabaseRole.APP, "insert into app.tenants default values"),
        (DatabaseRole.APP, "update billing.invoices set total = 0"),
        (DatabaseRole.WORKER, "delete from app.consents"),
        (DatabaseRole.WORKER, "update raw.message_events set event_type = 'read'"),
        (DatabaseRole.WORKER, "update billing.meta_rates set rate = 0"),
        (DatabaseRole.DATA, "update app.messages set state = 'read'"),
        (DatabaseRole.DATA, "delete from raw.message_events"),
        (DatabaseRole.READONLY, "select address from app.contacts"),
        (DatabaseRole.READONLY, "select pseudonym_key from app.tenants"),
        (DatabaseRole.READONLY, "update app.campaigns set name = 'x'"),
    ],
)
def test_a_role_is_refused_what_is_not_its_work(
    database: Settings, role: DatabaseRole, statement: str
) -> None:
    with (
        psycopg.connect(database.dsn(role)) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(sql.SQL(statement))


def test_no_event_is_in_a_default_partition_and_a_week_is_ready_ahead(database: Settings) -> None:
    with psycopg.connect(database.database_url) as connection:
        ahead = connection.execute(
            "select count(*) from pg_class where relkind = 'r'"
            " and relname ~ '^message_events_[0-9]{8}$'"
            " and to_date(right(relname, 8), 'YYYYMMDD') > now()::date"
        ).fetchone()
    assert ahead is not None
    assert ahead[0] >= 7
