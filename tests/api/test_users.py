"""People: invited, joined, given a role, suspended, removed."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
import psycopg
import pytest

from core.store import tenants
from tests.api.conftest import PASSWORD, Account, as_tenant
from tests.api.test_authentication import log_in, make_user
from tests.api.test_sessions import bearer, multiply_failures

Admin = psycopg.Connection[tuple[object, ...]]
NEW_PASSWORD = "eight white rolls in a basket"


async def invite(
    client: httpx.AsyncClient, headers: dict[str, str], role: str = "marketer", **changes: str
) -> httpx.Response:
    wanted = {"email": f"{role}@example.com", "name": "Rui Melo", "role": role} | changes
    return await client.post("/v1/users", json=wanted, headers=headers)


async def accept(client: httpx.AsyncClient, token: str, **changes: str) -> httpx.Response:
    wanted = {"token": token, "password": PASSWORD} | changes
    return await client.post("/v1/invitations/accept", json=wanted)


async def person(
    client: httpx.AsyncClient, operator: tenants.Connection, account: Account, role: str
) -> tuple[str, dict[str, str]]:
    """A person of a tenant who has signed in: id and headers."""
    user_id = make_user(operator, account, role)
    tokens = (await log_in(client, slug=account.slug, email=f"{role}@example.com")).json()
    return str(user_id), bearer(tokens)


@pytest.fixture
async def owner(
    anonymous: httpx.AsyncClient, operator: tenants.Connection, tenant: Account
) -> tuple[str, dict[str, str]]:
    return await person(anonymous, operator, tenant, "owner")


async def test_who_is_invited_joins_once_and_signs_in(
    anonymous: httpx.AsyncClient, owner: tuple[str, dict[str, str]], admin: Admin
) -> None:
    made = await invite(anonymous, owner[1], email="Rui@Example.com")
    assert made.status_code == 201
    user, token = made.json()["user"], made.json()["token"]
    assert (user["status"], user["email"]) == ("invited", "rui@example.com")
    assert user["invited_by"] == f"user:{owner[0]}"
    assert (await log_in(anonymous, email="rui@example.com", password="!")).status_code == 401
    [row] = admin.execute(
        "select invitation_hash from app.users where status = 'invited'"
    ).fetchall()
    assert token.encode() not in bytes(row[0])  # type: ignore[call-overload]
    answers = await asyncio.gather(*(accept(anonymous, token) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 422, 422, 422]
    [joined] = [answer.json() for answer in answers if answer.status_code == 200]
    assert (joined["slug"], joined["user"]["status"]) == ("tenant-a", "active")
    assert (await accept(anonymous, token)).json()["code"] == "bad-invitation"
    signed_in = await log_in(anonymous, email="rui@example.com")
    me = (await anonymous.get("/v1/users/me", headers=bearer(signed_in.json()))).json()
    assert (me["user"]["role"], "campaigns:write" in me["scopes"]) == ("marketer", True)


async def test_worthless_invitations_all_look_alike(
    anonymous: httpx.AsyncClient, owner: tuple[str, dict[str, str]], admin: Admin
) -> None:
    expired = (await invite(anonymous, owner[1], "viewer")).json()
    renewed = (await invite(anonymous, owner[1], "finance")).json()
    withdrawn = (await invite(anonymous, owner[1], "approver")).json()
    renewal = await anonymous.post(
        f"/v1/users/{renewed['user']['user_id']}/invitation", headers=owner[1]
    )
    url = f"/v1/users/{withdrawn['user']['user_id']}"
    assert (await anonymous.delete(url, headers=owner[1])).status_code == 204
    admin.execute(
        "update app.users set invitation_expires_at = now() - interval '1 second'"
        " where role = 'viewer'"
    )
    seen = []
    good = renewal.json()["token"]
    forged = good[:-1] + ("A" if good[-1] != "A" else "B")
    for token in (expired["token"], renewed["token"], withdrawn["token"], forged, "ctr_invite_x"):
        answer = await accept(anonymous, token)
        body = answer.json()
        body.pop("request_id")
        seen.append((answer.status_code, str(body)))
    assert len(set(seen[:3])) == 1
    assert {status for status, _ in seen} == {422}
    assert (await accept(anonymous, good)).status_code == 200


async def test_a_weak_password_is_refused_and_the_invitation_stays_good(
    anonymous: httpx.AsyncClient, owner: tuple[str, dict[str, str]]
) -> None:
    token = (await invite(anonymous, owner[1])).json()["token"]
    for weak in ("short", "password1234", "tenant-a-marketer"):
        answer = await accept(anonymous, token, password=weak)
        assert (answer.status_code, answer.json()["code"]) == (422, "weak-password"), weak
        assert answer.json()["errors"][0]["pointer"] == "/password"
    assert (await accept(anonymous, token)).status_code == 200


@pytest.mark.parametrize(
    "email", ["OWNER@example.com", "owner@EXAMPLE.com", "\uff4fwner@example.com"]
)
async def test_another_spelling_of_somebodys_address_takes_nothing_over(
    anonymous: httpx.AsyncClient, owner: tuple[str, dict[str, str]], email: str
) -> None:
    answer = await invite(anonymous, owner[1], email=email)
    assert (answer.status_code, answer.json()["code"]) == (409, "somebody-has-it")


async def test_nobody_gives_a_role_beyond_their_own(
    anonymous: httpx.AsyncClient,
    operator: tenants.Connection,
    tenant: Account,
    owner: tuple[str, dict[str, str]],
    api: httpx.AsyncClient,
) -> None:
    admin_id, admin_headers = await person(anonymous, operator, tenant, "admin")
    assert (await invite(anonymous, admin_headers, "owner", email="x@y.z")).status_code == 403
    assert (await invite(anonymous, admin_headers, "admin", email="x@y.z")).status_code == 201
    for target, change in (
        (admin_id, {"role": "owner"}),
        (owner[0], {"role": "viewer"}),
        (owner[0], {"status": "suspended"}),
        (owner[0], {"name": "Somebody Else"}),
    ):
        answer = await anonymous.patch(f"/v1/users/{target}", json=change, headers=admin_headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "not-allowed"), change
    assert (
        await anonymous.delete(f"/v1/users/{owner[0]}", headers=admin_headers)
    ).status_code == 403
    made = await api.post("/v1/api-keys", json={"name": "k", "scopes": ["users:manage"]})
    key = {"Authorization": f"Bearer {made.json()['secret']}"}
    for role in ("owner", "admin", "viewer"):
        assert (await invite(anonymous, key, role, email="k@y.z")).status_code == 403


async def test_a_new_role_and_a_suspension_bite_on_the_next_request(
    anonymous: httpx.AsyncClient,
    operator: tenants.Connection,
    tenant: Account,
    owner: tuple[str, dict[str, str]],
) -> None:
    user_id, headers = await person(anonymous, operator, tenant, "admin")
    key = await anonymous.post(
        "/v1/api-keys", json={"name": "k", "scopes": ["contacts:read"]}, headers=headers
    )
    key_headers = {"Authorization": f"Bearer {key.json()['secret']}"}

    async def contacts(with_headers: dict[str, str]) -> int:
        return (await anonymous.get("/v1/contacts", headers=with_headers)).status_code

    async def change(**wanted: str) -> None:
        answer = await anonymous.patch(f"/v1/users/{user_id}", json=wanted, headers=owner[1])
        assert answer.status_code == 200, answer.text

    assert (await contacts(headers), await contacts(key_headers)) == (200, 200)
    await change(role="viewer")
    assert (await contacts(headers), await contacts(key_headers)) == (403, 403)
    await change(role="admin")
    assert (await contacts(headers), await contacts(key_headers)) == (200, 200)
    await change(status="suspended")
    assert (await contacts(headers), await contacts(key_headers)) == (401, 401)
    await change(status="active")
    # The session ended with the suspension; the key had only stopped.
    assert (await contacts(headers), await contacts(key_headers)) == (401, 200)


async def test_who_was_removed_is_out_with_everything_and_can_be_invited_anew(
    anonymous: httpx.AsyncClient,
    operator: tenants.Connection,
    tenant: Account,
    owner: tuple[str, dict[str, str]],
) -> None:
    user_id, headers = await person(anonymous, operator, tenant, "admin")
    key = await anonymous.post(
        "/v1/api-keys", json={"name": "k", "scopes": ["tenant:read"]}, headers=headers
    )
    key_headers = {"Authorization": f"Bearer {key.json()['secret']}"}
    url = f"/v1/users/{user_id}"
    assert (await anonymous.delete(url, headers=owner[1])).status_code == 204
    for gone in (headers, key_headers):
        assert (await anonymous.get("/v1/tenant", headers=gone)).status_code == 401
    assert (await log_in(anonymous, email="admin@example.com")).status_code == 401
    left = (await anonymous.get(url, headers=owner[1])).json()
    assert (left["status"], left["email"]) == ("removed", None)
    assert (await anonymous.delete(url, headers=owner[1])).status_code == 404
    again = await invite(anonymous, owner[1], "admin")
    assert again.status_code == 201
    assert again.json()["user"]["user_id"] != user_id
    assert (await accept(anonymous, again.json()["token"])).status_code == 200
    assert (await anonymous.get("/v1/tenant", headers=key_headers)).status_code == 401


async def test_the_last_owner_stays_also_when_two_leave_at_once(
    anonymous: httpx.AsyncClient,
    operator: tenants.Connection,
    tenant: Account,
    owner: tuple[str, dict[str, str]],
) -> None:
    url = f"/v1/users/{owner[0]}"
    for change in ({"role": "admin"}, {"status": "suspended"}):
        answer = await anonymous.patch(url, json=change, headers=owner[1])
        assert (answer.status_code, answer.json()["code"]) == (409, "last-owner")
    assert (await anonymous.delete(url, headers=owner[1])).status_code == 409
    token = (await invite(anonymous, owner[1], "owner", email="second@example.com")).json()
    await accept(anonymous, token["token"])
    second = bearer((await log_in(anonymous, email="second@example.com")).json())
    answers = await asyncio.gather(
        anonymous.patch(url, json={"role": "admin"}, headers=owner[1]),
        anonymous.patch(
            f"/v1/users/{token['user']['user_id']}", json={"role": "admin"}, headers=second
        ),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]


async def test_people_are_listed_by_state_role_and_time(
    anonymous: httpx.AsyncClient, owner: tuple[str, dict[str, str]], other: Account
) -> None:
    for role in ("viewer", "finance"):
        await invite(anonymous, owner[1], role)

    async def roles(**query: str) -> list[str]:
        answer = await anonymous.get("/v1/users", params=query, headers=owner[1])
        assert answer.status_code == 200, answer.text
        return [item["role"] for item in answer.json()["items"]]

    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert await roles() == ["finance", "viewer", "owner"]
    assert await roles(state="active") == ["owner"]
    assert await roles(role="viewer") == ["viewer"]
    assert await roles(created_from=later) == []
    assert await roles(created_to=later, state="invited") == ["finance", "viewer"]
    wrong = await anonymous.get("/v1/users", params={"state": "gone"}, headers=owner[1])
    assert wrong.status_code == 422
    theirs = await anonymous.get("/v1/users", headers=as_tenant(other))
    assert theirs.json()["items"] == []


async def test_a_new_password_ends_the_other_sessions(
    anonymous: httpx.AsyncClient, owner: tuple[str, dict[str, str]]
) -> None:
    second = bearer((await log_in(anonymous)).json())

    async def change(current: str, new: str) -> httpx.Response:
        wanted = {"current_password": current, "new_password": new}
        return await anonymous.post("/v1/users/me/password", json=wanted, headers=second)

    wrong = await change("not the password", NEW_PASSWORD)
    assert wrong.json()["errors"][0]["pointer"] == "/current_password"
    assert (await change(PASSWORD, "password1234")).json()["code"] == "weak-password"
    assert (await change(PASSWORD, NEW_PASSWORD)).status_code == 204
    assert (await anonymous.get("/v1/tenant", headers=second)).status_code == 200
    assert (await anonymous.get("/v1/tenant", headers=owner[1])).status_code == 401
    assert (await log_in(anonymous)).status_code == 401
    assert (await log_in(anonymous, password=NEW_PASSWORD)).status_code == 200


async def test_a_stolen_token_guesses_no_password(
    anonymous: httpx.AsyncClient, owner: tuple[str, dict[str, str]], admin: Admin
) -> None:
    async def guess(password: str) -> int:
        wanted = {"current_password": password, "new_password": NEW_PASSWORD}
        answer = await anonymous.post("/v1/users/me/password", json=wanted, headers=owner[1])
        return answer.status_code

    assert await guess("a guess") == 422
    multiply_failures(admin)
    assert await guess(PASSWORD) == 429
