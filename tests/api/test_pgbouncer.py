"""The API behind a real PgBouncer in transaction mode: every transaction on any connection."""

import asyncio
from collections.abc import Iterator
from uuid import uuid4

import httpx
import psycopg
import pytest

from api.app import create_app
from core.dsn import DatabaseRole
from core.errors import ConfigurationError
from core.settings import Settings
from core.store.database import open_pool, single_statements, tenant_transaction
from tests.api.conftest import Account, as_tenant, running
from tests.support.poolers import SERVER_CONNECTIONS, pooled
from tests.support.services import NOT_COVERED, PGBOUNCER, in_ci

Admin = psycopg.Connection[tuple[object, ...]]
#: More than psycopg runs a statement before it prepares it, on each of the API's connections.
_ROUNDS = 40


@pytest.fixture
def behind(settings: Settings) -> Iterator[Settings]:
    """Settings of an API whose database is behind PgBouncer."""
    if PGBOUNCER.path() is None:
        if in_ci():
            pytest.fail(f"CI=true and {NOT_COVERED}{PGBOUNCER.name}", pytrace=False)
        pytest.skip(f"{NOT_COVERED}{PGBOUNCER.name}")
    with pooled(settings) as changed:
        yield changed


async def make_and_list(client: httpx.AsyncClient, account: Account, number: int) -> None:
    """What one tenant does in its turn; everything it sees must be its own."""
    headers = as_tenant(account)
    shown = await client.get("/v1/tenant", headers=headers)
    assert (shown.status_code, shown.json()["slug"]) == (200, account.slug)
    body = {"name": f"{account.slug} {number}"}
    assert (await client.post("/v1/lists", json=body, headers=headers)).status_code == 201
    # The same person and the same key for both tenants, and for each of them twice at once.
    once = headers | {"Idempotency-Key": f"key-{number}"}
    person = {"phone": f"+55 11 98765-{number:04}", "name": account.slug}
    saved = await asyncio.gather(
        *(client.post("/v1/contacts", json=person, headers=once) for _ in range(2))
    )
    assert {answer.status_code for answer in saved} <= {201, 409}
    for path, name in (("/v1/lists", body["name"]), ("/v1/contacts", account.slug)):
        page = await client.get(path, params={"limit": 200}, headers=headers)
        names = {item["name"] for item in page.json()["items"]}
        assert name in names
        assert all(each.startswith(account.slug) for each in names), path


async def test_two_tenants_interleaved_on_two_connections_never_meet(
    behind: Settings, admin: Admin, tenant: Account, other: Account
) -> None:
    async with running(create_app(behind)) as client:
        for first in range(0, _ROUNDS, 4):
            await asyncio.gather(
                *(
                    make_and_list(client, account, number)
                    for number in range(first, first + 4)
                    for account in (tenant, other)
                )
            )
        used = admin.execute(
            "select count(*), min(usename) from pg_stat_activity"
            " where usename like 'carteiro_api_%' and datname = current_database()"
        ).fetchone()
    assert used is not None
    # Both tenants, the API's connections and those of landing: all on these.
    assert 1 <= int(str(used[0])) <= SERVER_CONNECTIONS
    for account in (tenant, other):
        written = admin.execute(
            "select count(*), count(*) filter (where name like %s || ' %%') from app.lists"
            " where tenant_id = %s",
            (account.slug, account.tenant_id),
        ).fetchone()
        assert written == (_ROUNDS, _ROUNDS)


@pytest.mark.parametrize("ends", ["well", "badly"])
async def test_no_setting_of_a_transaction_is_met_by_the_next(
    behind: Settings, tenant: Account, ends: str
) -> None:
    dsn = behind.dsn(DatabaseRole.APP)
    async with open_pool(dsn, name="leak", max_size=4, pooled=True) as pool:
        for _ in range(8):
            try:
                async with tenant_transaction(pool, tenant.tenant_id) as connection:
                    seen = await (
                        await connection.execute("select slug from app.tenants")
                    ).fetchall()
                    assert seen == [(tenant.slug,)]
                    if ends == "badly":
                        await connection.execute("select 1 / 0")
            except psycopg.errors.DivisionByZero:
                assert ends == "badly"
            async with single_statements(pool) as connection:
                after = await connection.execute(
                    "select coalesce(current_setting('app.tenant_id', true), ''), current_user,"
                    " (select count(*) from app.tenants), current_setting('TimeZone')"
                )
                assert await after.fetchone() == ("", "carteiro_app", 0, "UTC")


async def test_a_client_that_vanishes_in_a_transaction_leaves_nothing_behind(
    behind: Settings, admin: Admin, tenant: Account, other: Account
) -> None:
    dsn = behind.dsn(DatabaseRole.APP)
    for _ in range(2 * SERVER_CONNECTIONS):
        lost = await psycopg.AsyncConnection.connect(dsn, autocommit=True)
        await lost.execute(f"begin; select set_config('app.tenant_id', '{tenant.tenant_id}', true)")
        await lost.execute(
            "insert into app.lists (tenant_id, list_id, name) values (%s, %s, %s)",
            (tenant.tenant_id, uuid4(), "half"),
            prepare=False,
        )
        lost.pgconn.finish()
    async with (
        open_pool(dsn, name="after", pooled=True) as pool,
        tenant_transaction(pool, other.tenant_id) as connection,
    ):
        cursor = await connection.execute("select slug from app.tenants")
        assert await cursor.fetchall() == [(other.slug,)]
    assert admin.execute("select count(*) from app.lists").fetchone() == (0,)


@pytest.mark.parametrize("role", [None, DatabaseRole.WORKER, DatabaseRole.OPERATOR])
async def test_the_api_does_not_start_with_a_login_that_sees_every_tenant(
    settings: Settings, role: DatabaseRole | None
) -> None:
    # As a pooler leaves it that ignores the role which a client asks for while connecting.
    url = settings.database_url if role is None else settings.dsn(role)
    app = create_app(settings.model_copy(update={"app_database_url": url}))
    with pytest.raises(ConfigurationError, match="CARTEIRO_APP_DATABASE_URL"):
        async with running(app):
            pass
