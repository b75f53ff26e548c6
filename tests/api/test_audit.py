"""Every change leaves one entry, in its own transaction; nothing else does."""

from collections.abc import Iterator

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from core.domain.audit import check_export, read_head
from core.dsn import DatabaseRole
from core.settings import Settings
from core.store import audit
from core.store.database import (
    Pool,
    open_pool,
    platform_transaction,
)
from sandbox.app import create_app as create_sandbox
from tests.api.audit_walk import NOT_AUDITED, SCENARIOS, Walk
from tests.api.conftest import Account, as_tenant
from tests.api.test_campaigns import make_campaign, make_template, planned
from tests.api.test_messages import key, template_message
from tests.api.test_sync import world
from tests.support.sandboxes import serving

Admin = psycopg.Connection[tuple[object, ...]]
READS = {"get", "head", "options"}


@pytest.fixture(scope="module")
def meta() -> Iterator[str]:
    with serving(create_sandbox(world(1))) as url:
        yield url


@pytest.fixture
def settings(database: Settings, meta: str) -> Settings:
    return database.model_copy(update={"meta_base_url": meta})


@pytest.fixture
def walk(api: httpx.AsyncClient, admin: Admin, tenant: Account) -> Walk:
    row = admin.execute("select api_key_id from app.api_keys").fetchone()
    assert row is not None
    return Walk(api=api, admin=admin, account=tenant, actor=f"api_key:{row[0]}")


async def test_every_operation_that_changes_something_leaves_its_one_entry(
    app: FastAPI, walk: Walk
) -> None:
    for scenario in SCENARIOS:
        await scenario(walk)
    changing = {
        operation["operationId"]
        for path in app.openapi()["paths"].values()
        for method, operation in path.items()
        if method not in READS
    }
    assert changing - NOT_AUDITED == walk.tried


async def test_an_entry_says_nothing_about_a_person(walk: Walk) -> None:
    for scenario in SCENARIOS:
        await scenario(walk)
    row = walk.admin.execute(
        "select string_agg(e::text, ' ') from app.audit_entries as e"
    ).fetchone()
    text = str(row and row[0])
    for personal in ("5511987", "11 98765", "Ana", "Bia", "Caio", "basta"):
        assert personal not in text


async def test_what_is_refused_leaves_no_entry(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, walk: Walk
) -> None:
    campaign = await make_campaign(api, admin, tenant)
    planned(admin, tenant, campaign["campaign_id"], 1)
    url = f"/v1/campaigns/{campaign['campaign_id']}"
    before = walk.entries()
    for method, path, body, status in (
        ("POST", f"{url}/launch", None, 409),
        ("POST", f"{url}/resume", None, 409),
        ("POST", f"{url}/approve", {"plan_hash": "hash-of-another"}, 409),
        ("POST", f"{url}/redrives", {"dry_run": False, "expected_messages": 1}, 409),
        ("POST", f"{url}/waves/next", None, 404),
        ("PATCH", url, {"nonsense": 1}, 422),
        ("POST", "/v1/contacts", {"phone": "1"}, 422),
        ("DELETE", "/v1/api-keys/019a0000-0000-7000-8000-000000000001", None, 404),
        (
            "POST",
            "/v1/consents",
            {
                "contact_id": "019a0000-0000-7000-8000-000000000001",
                "purpose": "marketing",
                "action": "granted",
                "channel": "x",
                "text_version": "1",
            },
            404,
        ),
    ):
        answer = await api.request(method, path, json=body)
        assert answer.status_code == status, (path, answer.text)
        assert walk.entries() == before, path


async def test_what_only_counts_or_reads_leaves_no_entry(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, walk: Walk
) -> None:
    campaign = await make_campaign(api, admin, tenant)
    planned(admin, tenant, campaign["campaign_id"], 1)
    admin.execute("update app.messages set state = 'failed'")
    admin.execute("update app.campaigns set status = 'running'")
    before = walk.entries()
    counted = await api.post(f"/v1/campaigns/{campaign['campaign_id']}/redrives", json={})
    assert (counted.status_code, counted.json()["matching"]) == (200, 1)
    assert (await api.get("/v1/campaigns")).status_code == 200
    assert walk.entries() == before


async def test_the_same_idempotency_key_again_leaves_no_second_entry(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, walk: Walk
) -> None:
    make_template(admin, tenant, category="utility")
    headers, wanted = key(), template_message(tenant)
    first = await api.post("/v1/messages", json=wanted, headers=headers)
    second = await api.post("/v1/messages", json=wanted, headers=headers)
    assert second.headers["Idempotency-Replayed"] == "true"
    assert first.json() == second.json()
    assert [entry[0] for entry in walk.entries()] == ["send_message"]


async def test_without_the_effect_s_commit_there_is_no_entry(
    api: httpx.AsyncClient, walk: Walk, admin: Admin
) -> None:
    admin.execute(
        "create function app.refuse() returns trigger language plpgsql as"
        " 'begin raise exception ''refused''; end'"
    )
    # Deferred: the effect and the entry are written, and then the commit itself fails.
    admin.execute(
        "create constraint trigger refuse after insert on app.lists deferrable initially deferred"
        " for each row execute function app.refuse()"
    )
    assert (await api.post("/v1/lists", json={"name": "l"})).status_code == 500
    assert (await api.get("/v1/lists")).json()["items"] == []
    assert walk.entries() == []


async def test_without_its_entry_there_is_no_effect(
    api: httpx.AsyncClient, walk: Walk, admin: Admin
) -> None:
    admin.execute("revoke insert on app.audit_entries from carteiro_app")
    admin.execute("alter table app.audit_entries add check (operation <> 'create_list')")
    assert (await api.post("/v1/lists", json={"name": "l"})).status_code == 500
    assert (await api.get("/v1/lists")).json()["items"] == []
    assert walk.entries() == []


async def seal(settings: Settings) -> None:
    async with open_pool(settings.dsn(DatabaseRole.WORKER), name="sealer") as pool:
        await seal_all(pool)


async def seal_all(pool: Pool) -> None:
    async with platform_transaction(pool) as connection:
        await audit.seal_batch(connection, limit=1_000)


async def make_lists(api: httpx.AsyncClient, count: int) -> list[str]:
    made = [await api.post("/v1/lists", json={"name": f"l{number}"}) for number in range(count)]
    return [answer.json()["list_id"] for answer in made]


async def test_the_list_is_filtered_and_paged_newest_first(
    api: httpx.AsyncClient, walk: Walk, settings: Settings
) -> None:
    lists = await make_lists(api, 5)
    await seal(settings)
    await api.post("/v1/exports", json={"dataset": "usage", "format": "csv"})
    items = (await api.get("/v1/audit")).json()["items"]
    assert [item["operation"] for item in items] == ["create_export"] + ["create_list"] * 5
    assert [item["sequence"] for item in items] == [None, 5, 4, 3, 2, 1]
    assert items[0]["actor"] == walk.actor
    for query, count in (
        ({"operation": "create_list"}, 5),
        ({"actor": walk.actor}, 6),
        ({"actor": "user:nobody"}, 0),
        ({"target_id": lists[2]}, 1),
        ({"target_kind": "export"}, 1),
        ({"created_from": items[2]["at"], "target_kind": "list"}, 2),
        ({"created_to": "2026-01-01T00:00:00Z"}, 0),
    ):
        found = (await api.get("/v1/audit", params=query)).json()["items"]
        assert len(found) == count, query
    page = (await api.get("/v1/audit", params={"limit": 4})).json()
    rest = await api.get("/v1/audit", params={"limit": 4, "cursor": page["next_cursor"]})
    assert page["items"] + rest.json()["items"] == items


async def test_the_exported_chain_is_checked_without_the_database(
    api: httpx.AsyncClient, settings: Settings, other: Account
) -> None:
    await make_lists(api, 3)
    await api.post("/v1/lists", json={"name": "theirs"}, headers=as_tenant(other))
    await seal(settings)
    answer = await api.get("/v1/audit/chain")
    assert answer.headers["content-type"] == "application/x-ndjson"
    head = read_head(answer.headers["audit-head"])
    lines = answer.content.splitlines()
    assert len(lines) == 4
    assert check_export(lines, copy=head) == (head, [])
    await make_lists(api, 5)
    await seal(settings)
    rest = (await api.get("/v1/audit/chain", params={"after_sequence": 3})).content.splitlines()
    assert len(rest) == 6
    assert check_export(rest)[1] == []
    beyond = await api.get("/v1/audit/chain", params={"after_sequence": 99})
    assert beyond.status_code == 404


async def test_before_anything_is_sealed_the_chain_is_empty(api: httpx.AsyncClient) -> None:
    answer = await api.get("/v1/audit/chain")
    assert answer.headers["audit-head"] == f"0:{'00' * 32}"
    assert check_export(answer.content.splitlines())[1] == []


async def test_the_entries_need_their_own_scope(api: httpx.AsyncClient, admin: Admin) -> None:
    admin.execute("update app.api_keys set scopes = array_remove(scopes, 'audit:read')")
    with capture_logs(processors=[merge_contextvars]) as refused:
        for path in ("/v1/audit", "/v1/audit/chain"):
            answer = await api.get(path)
            assert (answer.status_code, answer.json()["code"]) == (403, "not-allowed")
    [(key_id, tenant_id)] = admin.execute("select api_key_id, tenant_id from app.api_keys")
    assert {(line["log_level"], line["actor"], line["tenant_id"]) for line in refused} == {
        ("warning", f"api_key:{key_id}", str(tenant_id))
    }
