"""Every named query is described, and names its tenant or says why it may not."""

import re
from pathlib import Path

import pytest

from core.store.queries import FOLDER, Query, load

NOUNS = sorted(path.stem for path in FOLDER.glob("*.sql"))
#: Tables without a tenant_id column: shared catalogues, work queues, the data path's own books.
TENANTLESS = {
    "raw.webhook_bodies",
    "raw.webhook_queue",
    "raw.landing_pulses",
    # Of the installation, not of a tenant.
    "ops.signing_keys",
    "billing.rate_card_files",
    "billing.meta_rates",
    "billing.market_map",
    "billing.meta_policies",
    "billing.plans",
    "billing.plan_versions",
    "billing.plan_prices",
    "ops.extractions",
    # The warehouse's own books.
    "ops.loads",
    "ops.publications",
}
TABLE = re.compile(
    r"\b(?:from|join|into|update)\s+((?:app|raw|billing|ops)\.[a-z_]+)\b(?!\()", re.IGNORECASE
)
FOLDERS_WITHOUT_SQL = ("api", "sender", "sandbox", "exports", "carteiro")


def all_queries() -> list[tuple[str, Query]]:
    return [(noun, query) for noun in NOUNS for query in load(noun).described()]


def without_comments(sql: str) -> str:
    return re.sub(r"--[^\n]*", "", sql)


def breaks_tenant_scope(sql: str) -> bool:
    """Whether a query reads or writes a tenant's table without naming the tenant or a reason."""
    if re.search(r"^\s*-- cross-tenant: \w+", sql, re.MULTILINE):
        return False
    code = without_comments(sql)
    tables = {match.lower() for match in TABLE.findall(code)} - TENANTLESS
    return bool(tables) and "tenant_id" not in code


def test_the_store_has_queries() -> None:
    assert len(all_queries()) > 50


@pytest.mark.parametrize(
    ("noun", "query"), all_queries(), ids=lambda value: getattr(value, "name", value)
)
def test_every_query_on_a_tenant_table_names_the_tenant(noun: str, query: Query) -> None:
    assert not breaks_tenant_scope(query.sql), (
        f"{noun}.sql: {query.name} reads a tenant table without tenant_id; "
        "name it or add `-- cross-tenant: reason`"
    )


@pytest.mark.parametrize(
    ("sql", "broken"),
    [
        ("-- all of them\nselect 1 from app.messages where message_id = %(id)s", True),
        ("-- one tenant\nselect 1 from app.messages where tenant_id = %(tenant_id)s", False),
        ("-- all\n-- cross-tenant: the settler serves all\nselect 1 from app.messages", False),
        ("-- only a comment says tenant_id\nupdate app.contacts set name = null", True),
        ("-- shared\nselect rate from billing.meta_rates", False),
    ],
)
def test_the_tenant_scope_rule_finds_what_it_looks_for(sql: str, broken: bool) -> None:
    assert breaks_tenant_scope(sql) is broken


@pytest.mark.parametrize("room", FOLDERS_WITHOUT_SQL)
def test_sql_lives_in_the_store_or_in_dbt_models_only(room: str) -> None:
    statement = re.compile(
        r'"\s*(select|insert into|update|delete from)\s+[^"]*\b(app|raw|billing|ops)\.',
        re.IGNORECASE,
    )
    offenders = [
        str(path) for path in Path(room).rglob("*.py") if statement.search(path.read_text("utf-8"))
    ]
    assert offenders == []
