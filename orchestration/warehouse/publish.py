"""Publishes what dbt wrote and the checks passed: every relation at once, or none.

dbt writes marts_wip. Here the tables move to `published` under a name with the run, the views of
`marts` and `tenant_marts` are made again on them, and the tables of the run before are dropped: one
transaction, so a reader sees one run's numbers everywhere.
"""

import hashlib
from typing import Any

import psycopg
from psycopg import sql

from core.errors import InvariantBroken
from core.settings import Settings
from core.store.queries import load
from core.store.warehouse import warehouse_dsn

#: What a tenant may see of itself, through the API: nothing of Meta's cost to the platform.
TENANT_RELATIONS = (
    "usage_daily",
    "campaign_results",
    "message_accounting",
    "export_messages",
    "export_usage",
)
#: What every run must bring; a view that is not made again would show the run before.
EXPECTED = frozenset(
    {
        "usage_daily",
        "campaign_results",
        "meta_costs",
        "message_accounting",
        "rated_lines",
        "invoice_drafts",
        "invoice_draft_lines",
        "meta_reconciliation",
        "export_messages",
        "export_usage",
    }
)


def publish_marts(settings: Settings, *, run_id: str) -> list[str]:
    """Swap the published views to the tables dbt has just written; returns the relations.

    Raises InvariantBroken, publishing nothing, when a relation is missing. Called again without a
    dbt run in between it changes nothing and returns an empty list.
    """
    queries = load("warehouse")
    with psycopg.connect(warehouse_dsn(settings)) as connection:
        fresh = {str(row[0]) for row in connection.execute(queries.list_wip)}
        if not fresh:
            return []
        if missing := EXPECTED - fresh:
            raise InvariantBroken(f"dbt has not written {', '.join(sorted(missing))}")
        before = [str(row[0]) for row in connection.execute(queries.list_published)]
        suffix = hashlib.sha256(run_id.encode()).hexdigest()[:8]
        for name in sorted(EXPECTED):
            _swap(connection, name, f"{name}_{suffix}", replaced=before)
        for old in before:
            connection.execute(
                sql.SQL("drop table if exists published.{}").format(sql.Identifier(old))
            )
        connection.execute(
            queries.record_publication, {"run_id": run_id, "relations": sorted(EXPECTED)}
        )
    return sorted(EXPECTED)


def _swap(
    connection: psycopg.Connection[Any], name: str, stored: str, *, replaced: list[str]
) -> None:
    names = {"name": sql.Identifier(name), "stored": sql.Identifier(stored)}
    connection.execute(sql.SQL("drop view if exists tenant_marts.{name}").format(**names))
    connection.execute(sql.SQL("drop view if exists marts.{name}").format(**names))
    if stored in replaced:
        connection.execute(sql.SQL("drop table published.{stored}").format(**names))
    connection.execute(sql.SQL("alter table marts_wip.{name} set schema published").format(**names))
    connection.execute(sql.SQL("alter table published.{name} rename to {stored}").format(**names))
    connection.execute(
        sql.SQL("create view marts.{name} as select * from published.{stored}").format(**names)
    )
    if name in TENANT_RELATIONS:
        _show_to_tenants(connection, names)


def _show_to_tenants(connection: psycopg.Connection[Any], names: dict[str, sql.Identifier]) -> None:
    """One tenant's rows only; a barrier, so that no reader's function sees the others first."""
    connection.execute(sql.SQL("create index on published.{stored} (tenant_id)").format(**names))
    connection.execute(
        sql.SQL(
            "create view tenant_marts.{name} with (security_barrier) as "
            "select * from published.{stored} "
            "where tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid"
        ).format(**names)
    )
    connection.execute(
        sql.SQL("grant select on tenant_marts.{name} to carteiro_app").format(**names)
    )
