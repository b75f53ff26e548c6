"""Two tenants in one database: neither sees, names or changes anything of the other."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from psycopg.types.json import Jsonb

from core.domain.ids import new_id
from core.dsn import DatabaseRole
from core.settings import Settings
from core.store.database import open_pool, tenant_transaction
from tests.api.conftest import Account, as_tenant, finish_imports
from tests.api.test_campaigns import make_campaign, planned
from tests.api.test_media import upload
from tests.api.test_messages import key, template_message

Admin = psycopg.Connection[tuple[object, ...]]


async def things_of(api: httpx.AsyncClient, admin: Admin, account: Account) -> dict[str, str]:
    """One thing of every kind that has an id in an address."""
    campaign = await make_campaign(api, admin, account)
    planned(admin, account, campaign["campaign_id"], 1)
    text = "phone,opted_out\n+5511987654321,yes\nbad,\n"
    imported = await api.post(
        "/v1/contacts/imports?list=l", content=text, headers={"Content-Type": "text/csv"}
    )
    await finish_imports(api)
    contact = (await api.get("/v1/contacts")).json()["items"][0]
    segment = await api.post("/v1/segments", json={"name": "s", "filter": "suppressed"})
    declared = await api.post("/v1/contact-attributes", json={"name": "tier", "type": "text"})
    alone = {"contact_id": contact["contact_id"], "reason": "other"}
    assert (await api.post("/v1/suppressions", json=alone)).status_code == 201
    export = await api.post("/v1/exports", json={"dataset": "usage", "format": "csv"})
    made = await api.post("/v1/api-keys", json={"name": "k", "scopes": ["tenant:read"]})
    message = (await api.get("/v1/messages")).json()["items"][0]
    endpoint = await api.post("/v1/webhook-endpoints", json={"url": "https://8.8.8.8/"})
    endpoint_id = endpoint.json()["endpoint"]["endpoint_id"]
    tested = await api.post(f"/v1/webhook-endpoints/{endpoint_id}/test")
    series = await api.post(
        "/v1/campaign-series",
        json={
            "name": "daily",
            "phone_number_id": account.phone_number_id,
            "template_id": campaign["template_id"],
            "list_id": campaign["list_id"],
            "starts_local": (datetime.now(UTC).replace(tzinfo=None) + timedelta(days=2)).isoformat(
                timespec="minutes"
            ),
            "recurrence": {"frequency": "daily"},
        },
    )
    return {
        "session_id": str(new_id()),
        "segment_id": segment.json()["segment_id"],
        "attribute_id": declared.json()["attribute_id"],
        "user_id": await make_person(api),
        "series_id": series.json()["series_id"],
        "media_file_id": (await upload(api)).json()["media_file_id"],
        "inbound_id": make_inbound(admin, account, contact["contact_id"]),
        "endpoint_id": endpoint_id,
        "event_id": tested.json()["event_id"],
        "campaign_id": str(campaign["campaign_id"]),
        "template_id": str(campaign["template_id"]),
        "list_id": str(campaign["list_id"]),
        "import_id": imported.json()["import_id"],
        "job_id": imported.json()["import_id"],
        "contact_id": contact["contact_id"],
        "export_id": export.json()["export_id"],
        "api_key_id": made.json()["api_key"]["api_key_id"],
        "message_id": message["message_id"],
        "invoice_id": make_invoice(admin, account),
        "phone_number_id": account.phone_number_id,
    }


async def make_person(api: httpx.AsyncClient) -> str:
    person = {"email": "p@example.com", "name": "P", "role": "viewer"}
    return str((await api.post("/v1/users", json=person)).json()["user"]["user_id"])


def make_inbound(admin: Admin, account: Account, contact_id: str) -> str:
    inbound_id = str(new_id())
    admin.execute(
        "insert into app.inbound_messages (tenant_id, inbound_id, phone_number_id, contact_id,"
        " wamid, type, body, occurred_at, received_at)"
        " values (%s, %s, %s, %s, 'wamid.in', 'text', 'Olá', now(), now())",
        (account.tenant_id, inbound_id, account.phone_number_id, contact_id),
    )
    return inbound_id


def make_invoice(admin: Admin, account: Account) -> str:
    invoice_id = str(new_id())
    admin.execute(
        "insert into billing.invoices (tenant_id, invoice_id, period_start, period_end, "
        "period_timezone, period_start_at, period_end_at, currency, status, plan_version_id, net, "
        "tax, total, inputs_digest, run_id) select %s, %s, '2026-10-01', '2026-11-01', "
        "'America/Sao_Paulo', '2026-10-01T03:00Z', '2026-11-01T03:00Z', 'BRL', 'draft', "
        "plan_version_id, 100.00, 5.00, 105.00, 'digest', 'run' from billing.subscriptions "
        "where tenant_id = %s",
        (account.tenant_id, invoice_id, account.tenant_id),
    )
    admin.execute(
        "insert into billing.invoice_lines (tenant_id, invoice_id, line_no, kind, description, "
        "quantity, unit_price, net, tax, explanation) values (%s, %s, 1, 'base_fee', 'Base fee', "
        "1, 100, 100, 5, %s)",
        (account.tenant_id, invoice_id, Jsonb({"rule": "base fee"})),
    )
    return invoice_id


#: What the campaign of this test doesn't have: its owner, too, is told that there is none.
WITHOUT = ("/experiment", "/waves")
#: What some operations need before they look for their thing, by the end of their address.
BODIES: dict[str, dict[str, object]] = {
    "{series_id}/approve": {"approval_hash": "0" * 64},
    "approve": {"plan_hash": "hash-of-the-plan"},
    "/redrives": {},
    "/preview": {},
    "/rotate": {},
    "/lift": {"reason": "mistake"},
    "/members": {"items": [{"contact_id": str(new_id()), "action": "add"}]},
    "{endpoint_id}/replay": {"from": datetime.now(UTC).isoformat()},
}


def same(answer: httpx.Response) -> tuple[int, object]:
    """An answer without what differs from request to request."""
    body = answer.json()
    body.pop("request_id", None)
    return answer.status_code, body


async def test_the_other_tenants_ids_answer_like_ids_that_never_were(
    app: FastAPI,
    api: httpx.AsyncClient,
    admin: Admin,
    tenant: Account,
    other: Account,
) -> None:
    ours = await things_of(api, admin, tenant)
    headers = as_tenant(other)
    tried = 0
    for path, methods in app.openapi()["paths"].items():
        if "{" not in path or path.startswith("/problems"):
            continue
        for method in methods:
            body = next((body for end, body in BODIES.items() if path.endswith(end)), None)
            if method == "patch":
                body = {}
            random = path.format_map(_Random())
            theirs = await api.request(method, path.format_map(ours), headers=headers, json=body)
            never = await api.request(method, random, headers=headers, json=body)
            assert theirs.status_code == 404, (path, theirs.text)
            assert same(theirs) == same(never), path
            tried += 1
    assert tried >= 18
    for path, methods in app.openapi()["paths"].items():
        if "{" in path and "get" in methods and not path.startswith("/problems"):
            answer = await api.get(path.format_map(ours))
            expected = {404} if path.endswith(WITHOUT) else {200, 409}
            assert answer.status_code in expected, (path, answer.text)


class _Random(Mapping[str, str]):
    def __getitem__(self, name: str) -> str:
        # Meta's ids are digits.
        return str(new_id().int % 10**15) if name == "phone_number_id" else str(new_id())

    def __iter__(self) -> "object":  # type: ignore[override]
        return iter(())

    def __len__(self) -> int:
        return 0


async def test_lists_show_nothing_of_the_other_tenant(
    app: FastAPI,
    api: httpx.AsyncClient,
    admin: Admin,
    tenant: Account,
    other: Account,
) -> None:
    await things_of(api, admin, tenant)
    lists = [
        path
        for path, methods in app.openapi()["paths"].items()
        if "get" in methods and "{" not in path and path.startswith("/v1/")
    ]
    for path in lists:
        query = {"from": "2026-11-01", "to": "2026-11-02"} if path == "/v1/usage" else None
        answer = await api.get(path, headers=as_tenant(other), params=query)
        text = answer.text
        assert tenant.slug not in text, path
        assert tenant.phone_number_id not in text, path
        assert str(tenant.tenant_id) not in text, path
        own = {
            "/v1/audit/chain",
            "/v1/users/me",
            "/v1/opt-out-answer",
            "/v1/numbers",
            "/v1/portfolios",
            "/v1/status",
            "/v1/api-keys",
            "/v1/tenant",
            "/v1/usage",
        }
        if path not in own:
            assert answer.json()["items"] == [], path


async def test_references_to_the_other_tenants_things_are_refused(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, other: Account
) -> None:
    ours = await things_of(api, admin, tenant)
    headers = as_tenant(other)
    consent = {
        "contact_id": ours["contact_id"],
        "purpose": "marketing",
        "action": "granted",
        "channel": "x",
        "text_version": "1",
    }
    assert (await api.post("/v1/consents", json=consent, headers=headers)).status_code == 404
    alone = {"contact_id": ours["contact_id"], "reason": "other"}
    assert (await api.post("/v1/suppressions", json=alone, headers=headers)).status_code == 404
    message = {
        "phone_number_id": other.phone_number_id,
        "contact_id": ours["contact_id"],
        "text": {"body": "hi"},
    }
    answer = await api.post("/v1/messages", json=message, headers=headers | key())
    assert answer.status_code == 404
    stolen = template_message(tenant)
    answer = await api.post("/v1/messages", json=stolen, headers=headers | key())
    assert answer.status_code == 422
    saved = {"phone": "+5511987654322", "list_id": ours["list_id"]}
    assert (await api.post("/v1/contacts", json=saved, headers=headers)).status_code == 404
    found = await api.get("/v1/contacts", params={"list_id": ours["list_id"]}, headers=headers)
    assert found.status_code == 404


async def test_a_cursor_of_one_tenant_is_worth_nothing_to_another(
    api: httpx.AsyncClient, tenant: Account, other: Account
) -> None:
    for name in ("a", "b", "c"):
        await api.post("/v1/lists", json={"name": name})
    page = (await api.get("/v1/lists", params={"limit": 1})).json()
    cursor = page["next_cursor"]
    assert (await api.get("/v1/lists", params={"limit": 2, "cursor": cursor})).status_code == 200
    for query, headers in (
        ({"cursor": cursor}, as_tenant(other)),
        ({"cursor": cursor[:-2] + "xx"}, {}),
        ({"cursor": "x"}, {}),
    ):
        answer = await api.get("/v1/lists", params=query, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "bad-cursor")
    answer = await api.get("/v1/contacts", params={"cursor": cursor})
    assert answer.status_code == 422


@pytest.mark.parametrize("leave_broken", [False, True])
async def test_a_pooled_connection_carries_no_tenant_to_the_next_user(
    settings: Settings, tenant: Account, other: Account, leave_broken: bool
) -> None:
    async with open_pool(
        settings.dsn(DatabaseRole.APP), name="leak", min_size=1, max_size=1
    ) as pool:
        try:
            async with tenant_transaction(pool, tenant.tenant_id) as connection:
                row = await (await connection.execute("select slug from app.tenants")).fetchall()
                assert row == [("tenant-a",)]
                if leave_broken:
                    await connection.execute("select 1 / 0")
        except psycopg.errors.DivisionByZero:
            assert leave_broken
        async with pool.connection() as connection:
            cursor = await connection.execute("select slug from app.tenants")
            assert await cursor.fetchall() == []
        async with tenant_transaction(pool, other.tenant_id) as connection:
            cursor = await connection.execute("select slug from app.tenants")
            assert await cursor.fetchall() == [("tenant-b",)]


async def test_two_tenants_at_once_each_see_their_own(
    api: httpx.AsyncClient, tenant: Account, other: Account
) -> None:
    async def slug(account: Account) -> bool:
        answer = await api.get("/v1/tenant", headers=as_tenant(account))
        return bool(answer.json()["slug"] == account.slug)

    results = await asyncio.gather(
        *(slug(account) for _ in range(60) for account in (tenant, other))
    )
    assert all(results)
