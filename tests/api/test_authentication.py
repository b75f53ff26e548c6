"""Who may do what: keys, tokens, scopes, and the ways round them that don't exist."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from api.scopes import SCOPES_BY_ROLE, Role, Scope
from core.domain.ids import UserId
from core.store import tenants
from tests.api.conftest import PASSWORD, Account, as_tenant

Admin = psycopg.Connection[tuple[object, ...]]
OPEN_PATHS = {"/health/live", "/health/ready", "/metrics", "/problems", "/problems/{code}"}
OPEN_PATHS |= {"/v1/login", "/webhooks/meta", "/v1/token/refresh", "/v1/invitations/accept"}
OPEN_PATHS |= {"/.well-known/jwks.json", "/health/startup", "/deprecations"}


def operations(app: FastAPI) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, operation)
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
    ]


async def test_every_route_names_exactly_one_scope_and_refuses_strangers(
    app: FastAPI, anonymous: httpx.AsyncClient
) -> None:
    for method, path, operation in operations(app):
        if path in OPEN_PATHS:
            assert operation["security"] == []
            continue
        [requirement] = operation["security"]
        [scope] = requirement["bearer"]
        assert scope in set(Scope)
        url = path.replace("{", "").replace("}", "")
        answer = await anonymous.request(method, url)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), path
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_every_operation_has_an_id_a_tag_and_a_description(app: FastAPI) -> None:
    names = [operation["operationId"] for _, _, operation in operations(app)]
    assert len(set(names)) == len(names)
    for _, path, operation in operations(app):
        assert operation["tags"], path
        assert operation["summary"], path


async def test_a_key_without_the_scope_is_refused_on_every_route(
    app: FastAPI,
    anonymous: httpx.AsyncClient,
    operator: tenants.Connection,
    tenant: Account,
) -> None:
    key = tenants.create_api_key(operator, tenant_id=tenant.tenant_id, name="none", scopes=[])
    for method, path, _ in operations(app):
        if path in OPEN_PATHS:
            continue
        url = path.replace("{", "").replace("}", "")
        answer = await anonymous.request(
            method, url, headers={"Authorization": f"Bearer {key.plaintext}"}
        )
        # A malformed id may be noticed first; nothing is ever done.
        assert answer.status_code in {403, 422}, (path, answer.text)


@pytest.mark.parametrize(
    "header",
    [
        "Bearer ",
        "Basic dXNlcjpwYXNz",
        "Bearer ctr_live_abcdefgh_" + "x" * 43,
        "Bearer ctr_live_short",
        "Bearer a.b.c",
        "Bearer " + "x" * 9000,
    ],
)
async def test_what_is_no_credential_is_refused(anonymous: httpx.AsyncClient, header: str) -> None:
    answer = await anonymous.get("/v1/tenant", headers={"Authorization": header})
    assert answer.status_code == 401


async def test_a_changed_secret_of_a_known_prefix_is_refused(
    anonymous: httpx.AsyncClient, tenant: Account
) -> None:
    forged = tenant.api_key[:-1] + ("A" if tenant.api_key[-1] != "A" else "B")
    answer = await anonymous.get("/v1/tenant", headers={"Authorization": f"Bearer {forged}"})
    assert answer.status_code == 401


async def test_a_revoked_key_is_refused_from_the_next_request_on(api: httpx.AsyncClient) -> None:
    made = await api.post("/v1/api-keys", json={"name": "x", "scopes": ["tenant:read"]})
    assert made.status_code == 201
    headers = {"Authorization": f"Bearer {made.json()['secret']}"}
    assert (await api.get("/v1/tenant", headers=headers)).status_code == 200
    key_id = made.json()["api_key"]["api_key_id"]
    assert (await api.delete(f"/v1/api-keys/{key_id}")).status_code == 204
    assert (await api.get("/v1/tenant", headers=headers)).status_code == 401


async def test_an_expired_key_is_refused(
    anonymous: httpx.AsyncClient, operator: tenants.Connection, tenant: Account
) -> None:
    key = tenants.create_api_key(
        operator,
        tenant_id=tenant.tenant_id,
        name="old",
        scopes=["tenant:read"],
        expires_at=datetime.now(UTC) - timedelta(seconds=1),
    )
    headers = {"Authorization": f"Bearer {key.plaintext}"}
    assert (await anonymous.get("/v1/tenant", headers=headers)).status_code == 401


async def test_nobody_gives_a_key_more_than_they_have(api: httpx.AsyncClient) -> None:
    made = await api.post("/v1/api-keys", json={"name": "k", "scopes": ["api-keys:manage"]})
    headers = {"Authorization": f"Bearer {made.json()['secret']}"}
    wanted = {"name": "more", "scopes": ["messages:send"]}
    answer = await api.post("/v1/api-keys", json=wanted, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "not-allowed")


async def test_a_suspended_tenant_is_out(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    admin.execute("update app.tenants set status = 'suspended'")
    answer = await api.get("/v1/tenant")
    assert (answer.status_code, answer.json()["code"]) == (403, "tenant-suspended")


def make_user(operator: tenants.Connection, account: Account, role: str = "owner") -> UserId:
    return tenants.create_user(
        operator,
        tenant_id=account.tenant_id,
        email=f"{role}@example.com",
        name="Person",
        role=role,
        password=PASSWORD,
    )


async def log_in(client: httpx.AsyncClient, **changes: str) -> httpx.Response:
    who = {"slug": "tenant-a", "email": "owner@example.com", "password": PASSWORD}
    return await client.post("/v1/login", json=who | changes)


async def test_a_person_signs_in_and_acts_by_role(
    anonymous: httpx.AsyncClient, operator: tenants.Connection, tenant: Account
) -> None:
    make_user(operator, tenant, "viewer")
    answer = await log_in(anonymous, email="Viewer@example.com")
    assert answer.status_code == 200
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert (await anonymous.get("/v1/tenant", headers=headers)).json()["slug"] == "tenant-a"
    assert (await anonymous.get("/v1/contacts", headers=headers)).status_code == 403


async def test_a_suspended_person_is_out_with_a_token_that_is_still_valid(
    anonymous: httpx.AsyncClient,
    operator: tenants.Connection,
    tenant: Account,
    admin: Admin,
) -> None:
    make_user(operator, tenant)
    headers = {"Authorization": f"Bearer {(await log_in(anonymous)).json()['access_token']}"}
    assert (await anonymous.get("/v1/tenant", headers=headers)).status_code == 200
    admin.execute("update app.users set status = 'suspended'")
    assert (await anonymous.get("/v1/tenant", headers=headers)).status_code == 401
    assert (await log_in(anonymous)).status_code == 401


async def test_unknown_people_get_the_same_answer_in_the_same_time(
    anonymous: httpx.AsyncClient, operator: tenants.Connection, tenant: Account
) -> None:
    make_user(operator, tenant)
    attempts = (
        {"password": "wrong password"},
        {"email": "nobody@example.com"},
        {"slug": "no-such-tenant"},
    )
    seen, seconds = [], []
    for changes in attempts * 3:
        started = time.perf_counter()
        answer = await log_in(anonymous, **changes)
        seconds.append(time.perf_counter() - started)
        body = answer.json()
        body.pop("request_id")
        seen.append((answer.status_code, json.dumps(body)))
    assert len(set(seen)) == 1
    assert seen[0][0] == 401
    wrong = min(seconds[0::3])
    for unknown in (min(seconds[1::3]), min(seconds[2::3])):
        assert 0.5 < unknown / wrong < 2.0


async def test_two_authorization_headers_are_refused(
    anonymous: httpx.AsyncClient, tenant: Account, other: Account
) -> None:
    headers = [("Authorization", f"Bearer {account.api_key}") for account in (tenant, other)]
    assert (await anonymous.get("/v1/tenant", headers=headers)).status_code == 401


async def test_a_tenant_named_anywhere_in_the_request_is_not_believed(
    api: httpx.AsyncClient, tenant: Account, other: Account
) -> None:
    wanted = {"tenant_id": str(other.tenant_id)}
    assert (await api.get("/v1/tenant", params=wanted)).status_code == 422
    assert (await api.post("/v1/lists", json={"name": "x", **wanted})).status_code == 422
    headers = {"X-Tenant-Id": str(other.tenant_id), "tenant_id": str(other.tenant_id)}
    found = await api.get("/v1/tenant", headers=headers)
    assert found.json()["tenant_id"] == str(tenant.tenant_id)
    assert (await api.get("/v1/tenant", headers=as_tenant(other))).json()["slug"] == "tenant-b"


def test_every_role_has_scopes_and_only_owners_have_all() -> None:
    assert set(SCOPES_BY_ROLE) == set(Role)
    complete = {role for role, scopes in SCOPES_BY_ROLE.items() if scopes == frozenset(Scope)}
    assert complete == {Role.OWNER}
    assert frozenset(Scope) - SCOPES_BY_ROLE[Role.ADMIN] == {Scope.TENANT_MANAGE}
    assert all(Scope.ACCOUNT_OWN in scopes for scopes in SCOPES_BY_ROLE.values())
