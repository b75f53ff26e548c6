"""Exports, invoices and usage as a tenant sees them."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psycopg
import pytest

from core.settings import Settings
from tests.api.conftest import Account, as_tenant
from tests.api.test_isolation import make_invoice

Admin = psycopg.Connection[tuple[object, ...]]


@pytest.fixture
def settings(database: Settings, tmp_path: Path) -> Settings:
    """Exports of these tests lie in a folder of their own."""
    return database.model_copy(update={"exports_dir": tmp_path / "exports"})


def make_ready(admin: Admin, export_id: str, path: str, content: bytes = b"") -> None:
    admin.execute(
        "update app.exports set status = 'ready', path = %s, rows = 1, bytes = %s, sha256 = %s, "
        "manifest = '{\"rows\": 1}', finished_at = now(), expires_at = %s where export_id = %s",
        (
            path,
            len(content),
            hashlib.sha256(content).hexdigest(),
            datetime.now(UTC) + timedelta(hours=1),
            export_id,
        ),
    )


async def ask(api: httpx.AsyncClient, **changes: object) -> dict[str, object]:
    wanted = {"dataset": "messages", "format": "csv", "filters": {"from": "2026-11-01"}}
    answer = await api.post("/v1/exports", json=wanted | changes)
    assert answer.status_code == 201, answer.text
    found: dict[str, object] = answer.json()
    return found


async def test_an_export_is_queued_and_its_file_handed_to_its_tenant_only(
    api: httpx.AsyncClient, admin: Admin, settings: Settings, tenant: Account, other: Account
) -> None:
    export = await ask(api)
    assert (export["status"], export["filters"]) == ("queued", {"from": "2026-11-01"})
    url = f"/v1/exports/{export['export_id']}"
    waiting = await api.get(f"{url}/download")
    assert (waiting.status_code, waiting.json()["code"]) == (409, "export-not-ready")
    content = b"a,b\r\n1,2\r\n"
    place = f"{tenant.tenant_id}/{export['export_id']}/messages.csv"
    file = settings.exports_dir / place
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    make_ready(admin, str(export["export_id"]), place, content)
    answer = await api.get(f"{url}/download")
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["x-content-sha256"] == hashlib.sha256(content).hexdigest()
    assert answer.headers["content-disposition"].startswith("attachment")
    assert (await api.get(f"{url}/download", headers=as_tenant(other))).status_code == 404
    assert (await api.get(url)).json()["manifest"] == {"rows": 1}


@pytest.mark.parametrize(
    "path",
    ["../secret.csv", "/etc/passwd", "{t}/link.csv", "{t}/missing.csv", "{t}", ".", "else/x.csv"],
)
async def test_no_file_outside_the_folder_of_exports_is_ever_handed_out(
    api: httpx.AsyncClient, admin: Admin, settings: Settings, tenant: Account, path: str
) -> None:
    own = settings.exports_dir / str(tenant.tenant_id)
    own.mkdir(parents=True)
    (settings.exports_dir / "else").mkdir()
    (settings.exports_dir / "else" / "x.csv").write_text("another tenant's secret")
    secret = settings.exports_dir.parent / "secret.csv"
    secret.write_text("secret")
    (own / "link.csv").symlink_to(secret)
    export = await ask(api)
    make_ready(admin, str(export["export_id"]), path.format(t=tenant.tenant_id))
    answer = await api.get(f"/v1/exports/{export['export_id']}/download")
    assert answer.status_code == 404
    assert "secret" not in answer.text


async def test_an_expired_export_is_gone(api: httpx.AsyncClient, admin: Admin) -> None:
    export = await ask(api)
    make_ready(admin, str(export["export_id"]), "x.csv")
    admin.execute("update app.exports set expires_at = now() - interval '1 s'")
    answer = await api.get(f"/v1/exports/{export['export_id']}/download")
    assert (answer.status_code, answer.json()["code"]) == (410, "gone")


@pytest.mark.parametrize(
    "change",
    [
        {"dataset": "users"},
        {"format": "exe"},
        {"filters": {"tenant_id": "x"}},
        {"filters": {"from": "2026-11-02", "to": "2026-11-01"}},
        {"filters": {"from": 20000}},
        {"path": "/tmp/x"},
    ],
)
async def test_exports_that_can_not_be_made_are_refused(
    api: httpx.AsyncClient, change: dict[str, object]
) -> None:
    wanted = {"dataset": "messages", "format": "csv"}
    assert (await api.post("/v1/exports", json=wanted | change)).status_code == 422


async def test_a_tenant_has_twenty_open_exports_at_most(api: httpx.AsyncClient) -> None:
    for _ in range(20):
        await ask(api)
    answer = await api.post("/v1/exports", json={"dataset": "usage", "format": "csv"})
    assert (answer.status_code, answer.json()["code"]) == (429, "quota-exceeded")
    assert answer.headers["retry-after"] == "60"


async def test_lists_are_read_page_by_page_without_loss_or_repetition(
    api: httpx.AsyncClient,
) -> None:
    made = [(await ask(api))["export_id"] for _ in range(7)]
    seen: list[str] = []
    query: dict[str, str] = {"limit": "3"}
    while True:
        page = (await api.get("/v1/exports", params=query)).json()
        seen += [item["export_id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == made[::-1]


async def test_an_invoice_is_shown_with_exact_amounts_and_explained_lines(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    invoice_id = make_invoice(admin, tenant)
    invoice = (await api.get(f"/v1/invoices/{invoice_id}")).json()
    assert (invoice["net"], invoice["tax"], invoice["total"]) == (
        "100.000000",
        "5.000000",
        "105.000000",
    )
    [line] = invoice["lines"]
    assert (line["kind"], line["explanation"]) == ("base_fee", {"rule": "base fee"})
    [listed] = (await api.get("/v1/invoices", params={"state": "draft"})).json()["items"]
    assert listed["invoice_id"] == invoice_id
    assert (await api.get("/v1/invoices", params={"state": "final"})).json()["items"] == []


async def test_usage_without_a_warehouse_is_503_with_advice(api: httpx.AsyncClient) -> None:
    answer = await api.get("/v1/usage", params={"from": "2026-11-01", "to": "2026-12-01"})
    assert (answer.status_code, answer.json()["code"]) == (503, "warehouse-not-ready")
    assert answer.headers["retry-after"]


def publish_usage(settings: Settings, *delivered: tuple[Account, int]) -> None:
    """A warehouse whose marts say so many a day for each tenant, on two days of November."""
    from core.store import migrate

    migrate.bootstrap(settings)
    with psycopg.connect(settings.warehouse_dsn(), autocommit=True) as warehouse:
        warehouse.execute("create schema tenant_marts")
        warehouse.execute("create schema published")
        warehouse.execute(
            "create table published.usage_daily (tenant_id uuid, tenant_date date, category text, "
            "market text, pricing_type text, delivered_count bigint, read_count bigint)"
        )
        for account, count in delivered:
            for day in ("2026-11-01", "2026-11-02"):
                warehouse.execute(
                    "insert into published.usage_daily "
                    "values (%s, %s, 'marketing', 'Brazil', 'regular', %s, 1)",
                    (account.tenant_id, day, count),
                )
        warehouse.execute(
            "create view tenant_marts.usage_daily with (security_barrier) as "
            "select * from published.usage_daily where tenant_id = "
            "nullif(current_setting('app.tenant_id', true), '')::uuid"
        )
        warehouse.execute("grant usage on schema tenant_marts to carteiro_app")
        warehouse.execute("grant select on tenant_marts.usage_daily to carteiro_app")


async def test_usage_shows_a_tenant_its_own_days(
    api: httpx.AsyncClient, settings: Settings, tenant: Account, other: Account
) -> None:
    publish_usage(settings, (tenant, 5), (other, 7))
    query = {"from": "2026-11-01", "to": "2026-11-03"}
    usage = (await api.get("/v1/usage", params=query)).json()
    assert usage["delivered"] == 10
    assert [item["date"] for item in usage["items"]] == ["2026-11-01", "2026-11-02"]
    theirs = await api.get("/v1/usage", params=query, headers=as_tenant(other))
    assert theirs.json()["delivered"] == 14
    half_open = await api.get("/v1/usage", params=query | {"to": "2026-11-02"})
    assert half_open.json()["delivered"] == 5


@pytest.mark.parametrize(
    "query",
    [
        {"from": "2026-11-02", "to": "2026-11-01"},
        {"from": "2026-01-01", "to": "2026-12-01"},
        {"from": "yesterday", "to": "2026-12-01"},
        {"from": "2026-11-01"},
        {"from": "2026-11-01", "to": "2026-11-02", "category": "all"},
    ],
)
async def test_a_period_that_is_none_is_refused(
    api: httpx.AsyncClient, query: dict[str, str]
) -> None:
    assert (await api.get("/v1/usage", params=query)).status_code == 422
