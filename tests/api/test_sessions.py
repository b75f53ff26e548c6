"""Signing in, staying signed in, signing out."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from argon2 import PasswordHasher
from structlog.testing import capture_logs

from api.app import create_app
from core.settings import Settings
from core.store import tenants
from tests.api.conftest import PASSWORD, Account, running
from tests.api.test_authentication import log_in, make_user

Admin = psycopg.Connection[tuple[object, ...]]


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


@pytest.fixture
async def tokens(
    anonymous: httpx.AsyncClient, operator: tenants.Connection, tenant: Account
) -> dict[str, Any]:
    """A person of tenant A who has just signed in."""
    make_user(operator, tenant)
    signed_in: dict[str, Any] = (await log_in(anonymous)).json()
    return signed_in


async def refresh(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post("/v1/token/refresh", json={"refresh_token": token})


def multiply_failures(admin: Admin) -> None:
    """As if each failure had happened ten times: enough for the account, whatever time it is."""
    admin.execute(
        "update ops.login_attempts set failures = array(select f from unnest(failures) as f,"
        " generate_series(1, 10))"
    )


async def works(client: httpx.AsyncClient, tokens: dict[str, Any]) -> bool:
    return (await client.get("/v1/tenant", headers=bearer(tokens))).status_code == 200


async def test_a_refresh_token_gives_new_tokens_of_the_same_session(
    anonymous: httpx.AsyncClient, tokens: dict[str, Any], admin: Admin
) -> None:
    answer = await refresh(anonymous, tokens["refresh_token"])
    assert answer.status_code == 200
    following = answer.json()
    assert following["session_id"] == tokens["session_id"]
    assert following["refresh_token"] != tokens["refresh_token"]
    assert await works(anonymous, following)
    assert (await refresh(anonymous, following["refresh_token"])).status_code == 200
    for token in (tokens["refresh_token"], following["refresh_token"]):
        kept = admin.execute("select token_hash from app.refresh_tokens").fetchall()
        assert all(token.encode() not in bytes(row[0]) for row in kept)  # type: ignore[call-overload]


async def test_a_refresh_token_that_comes_back_ends_the_session_for_both(
    anonymous: httpx.AsyncClient,
    tokens: dict[str, Any],
    admin: Admin,
) -> None:
    following = (await refresh(anonymous, tokens["refresh_token"])).json()
    with capture_logs() as logged:
        answer = await refresh(anonymous, tokens["refresh_token"])
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert (await refresh(anonymous, following["refresh_token"])).status_code == 401
    assert not await works(anonymous, following)
    ended = admin.execute("select ended_because from app.sessions").fetchall()
    assert ended == [("refresh_reused",)]
    [line] = [line for line in logged if "came back" in line["event"]]
    assert (line["log_level"], str(line["session_id"])) == ("warning", tokens["session_id"])
    assert tokens["refresh_token"] not in str(logged)
    assert (await log_in(anonymous)).status_code == 200


async def test_of_many_refreshes_at_once_with_one_token_at_most_one_succeeds(
    anonymous: httpx.AsyncClient, tokens: dict[str, Any]
) -> None:
    answers = await asyncio.gather(
        *(refresh(anonymous, tokens["refresh_token"]) for _ in range(12))
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 11
    [winner] = [answer.json() for answer in answers if answer.status_code == 200]
    assert not await works(anonymous, winner)


async def test_a_forged_refresh_token_ends_nobodys_session(
    anonymous: httpx.AsyncClient, tokens: dict[str, Any]
) -> None:
    token = tokens["refresh_token"]
    second = (await refresh(anonymous, token)).json()
    forged = token[:-1] + ("A" if token[-1] != "A" else "B")
    assert (await refresh(anonymous, forged)).status_code == 401
    assert await works(anonymous, second)


@pytest.mark.parametrize("column", ["idle_until", "ends_at"])
async def test_a_session_that_is_idle_or_old_is_over(
    anonymous: httpx.AsyncClient, tokens: dict[str, Any], admin: Admin, column: str
) -> None:
    begun = admin.execute("select created_at, idle_until, ends_at from app.sessions").fetchone()
    assert begun is not None
    assert (begun[1] - begun[0], begun[2] - begun[0]) == (timedelta(days=30), timedelta(days=90))  # type: ignore[operator]
    admin.execute(f"update app.sessions set {column} = now() - interval '1 second'")
    assert (await refresh(anonymous, tokens["refresh_token"])).status_code == 401


async def test_a_refresh_never_outlives_the_longest_session(
    anonymous: httpx.AsyncClient, tokens: dict[str, Any], admin: Admin
) -> None:
    admin.execute("update app.sessions set ends_at = now() + interval '1 hour'")
    following = (await refresh(anonymous, tokens["refresh_token"])).json()
    left = datetime.fromisoformat(following["refresh_expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=55) < left <= timedelta(hours=1)


async def test_signing_out_ends_this_session_at_once_and_no_other(
    anonymous: httpx.AsyncClient, tokens: dict[str, Any]
) -> None:
    second = (await log_in(anonymous)).json()
    assert (await anonymous.post("/v1/logout", headers=bearer(tokens))).status_code == 204
    assert not await works(anonymous, tokens)
    assert (await refresh(anonymous, tokens["refresh_token"])).status_code == 401
    assert await works(anonymous, second)


async def test_signing_out_everywhere_ends_every_session_of_the_person_only(
    anonymous: httpx.AsyncClient,
    tokens: dict[str, Any],
    operator: tenants.Connection,
    tenant: Account,
) -> None:
    make_user(operator, tenant, "viewer")
    colleague = (await log_in(anonymous, email="viewer@example.com")).json()
    second = (await log_in(anonymous)).json()
    everywhere = await anonymous.post("/v1/logout-everywhere", headers=bearer(second))
    assert everywhere.status_code == 204
    assert not await works(anonymous, tokens)
    assert not await works(anonymous, second)
    assert await works(anonymous, colleague)


async def test_a_person_lists_and_ends_their_own_sessions_only(
    anonymous: httpx.AsyncClient,
    tokens: dict[str, Any],
    operator: tenants.Connection,
    tenant: Account,
) -> None:
    make_user(operator, tenant, "viewer")
    colleague = (await log_in(anonymous, email="viewer@example.com")).json()
    second = (await log_in(anonymous)).json()
    listed = (await anonymous.get("/v1/sessions", headers=bearer(second))).json()["items"]
    assert [item["session_id"] for item in listed] == [second["session_id"], tokens["session_id"]]
    assert [item["current"] for item in listed] == [True, False]
    assert listed[0]["client"].startswith("python-httpx")
    url = f"/v1/sessions/{tokens['session_id']}"
    assert (await anonymous.delete(url, headers=bearer(colleague))).status_code == 404
    assert await works(anonymous, tokens)
    assert (await anonymous.delete(url, headers=bearer(second))).status_code == 204
    assert not await works(anonymous, tokens)
    assert await works(anonymous, second)


async def test_a_key_has_no_session(api: httpx.AsyncClient, tenant: Account) -> None:
    assert (await api.get("/v1/sessions")).json()["items"] == []
    for path in ("/v1/logout", "/v1/logout-everywhere"):
        answer = await api.post(path)
        assert (answer.status_code, answer.json()["code"]) == (403, "not-allowed")


async def test_a_suspended_tenant_refreshes_nothing(
    anonymous: httpx.AsyncClient, tokens: dict[str, Any], admin: Admin
) -> None:
    admin.execute("update app.tenants set status = 'suspended'")
    answer = await refresh(anonymous, tokens["refresh_token"])
    assert (answer.status_code, answer.json()["code"]) == (403, "tenant-suspended")
    admin.execute("update app.tenants set status = 'active'")
    assert (await refresh(anonymous, tokens["refresh_token"])).status_code == 200


async def test_a_hash_with_weaker_figures_is_replaced_at_the_next_login(
    anonymous: httpx.AsyncClient, operator: tenants.Connection, tenant: Account, admin: Admin
) -> None:
    make_user(operator, tenant)
    weak = PasswordHasher(time_cost=1, memory_cost=8_192, parallelism=1).hash(PASSWORD)
    admin.execute("update app.users set password_hash = %s", (weak,))
    assert (await log_in(anonymous)).status_code == 200
    row = admin.execute("select password_hash from app.users").fetchone()
    assert row is not None
    assert str(row[0]).startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert (await log_in(anonymous)).status_code == 200


async def test_sessions_and_throttle_survive_a_restart(
    settings: Settings, operator: tenants.Connection, tenant: Account, admin: Admin
) -> None:
    make_user(operator, tenant)
    async with running(create_app(settings)) as client:
        tokens = (await log_in(client)).json()
        assert (await log_in(client, password="wrong password")).status_code == 401
        multiply_failures(admin)
    async with running(create_app(settings)) as client:
        assert await works(client, tokens)
        assert (await log_in(client, password="wrong password")).status_code == 429
        assert (await refresh(client, tokens["refresh_token"])).status_code == 200
