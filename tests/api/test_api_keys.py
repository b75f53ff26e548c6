"""Keys of programs: rotated with an overlap, changed, listed, never beyond their maker."""

from datetime import UTC, datetime, timedelta

import httpx
import psycopg

from core.store import tenants
from tests.api.conftest import Account
from tests.api.test_users import person

Admin = psycopg.Connection[tuple[object, ...]]


def bearer(made: httpx.Response) -> dict[str, str]:
    assert made.status_code == 201, made.text
    return {"Authorization": f"Bearer {made.json()['secret']}"}


async def make_key(
    api: httpx.AsyncClient, *scopes: str, **more: object
) -> tuple[str, dict[str, str]]:
    made = await api.post("/v1/api-keys", json={"name": "k", "scopes": list(scopes)} | more)
    return made.json()["api_key"]["api_key_id"], bearer(made)


async def test_a_rotated_key_works_beside_its_successor_until_the_overlap_ends(
    api: httpx.AsyncClient, admin: Admin
) -> None:
    key_id, old = await make_key(api, "tenant:read")
    made = await api.post(f"/v1/api-keys/{key_id}/rotate", json={"overlap_seconds": 3600})
    new = bearer(made)
    assert made.json()["api_key"]["rotated_from"] == key_id
    assert made.json()["api_key"]["scopes"] == ["tenant:read"]
    for headers in (old, new):
        assert (await api.get("/v1/tenant", headers=headers)).status_code == 200
    ends = datetime.fromisoformat((await api.get(f"/v1/api-keys/{key_id}")).json()["expires_at"])
    assert timedelta(minutes=59) < ends - datetime.now(UTC) <= timedelta(hours=1)
    admin.execute(
        "update app.api_keys set expires_at = now() - interval '1 second' where api_key_id = %s",
        (key_id,),
    )
    assert (await api.get("/v1/tenant", headers=old)).status_code == 401
    assert (await api.get("/v1/tenant", headers=new)).status_code == 200
    again = await api.post(f"/v1/api-keys/{key_id}/rotate", json={})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")


async def test_an_overlap_of_nothing_ends_the_old_key_at_once(api: httpx.AsyncClient) -> None:
    key_id, old = await make_key(api, "tenant:read")
    made = await api.post(f"/v1/api-keys/{key_id}/rotate", json={"overlap_seconds": 0})
    assert (await api.get("/v1/tenant", headers=old)).status_code == 401
    assert (await api.get("/v1/tenant", headers=bearer(made))).status_code == 200


async def test_rotating_never_lengthens_a_key_nor_gives_a_stronger_one(
    api: httpx.AsyncClient,
) -> None:
    soon = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    key_id, _ = await make_key(api, "tenant:read", expires_at=soon)
    made = await api.post(f"/v1/api-keys/{key_id}/rotate", json={"overlap_seconds": 86400})
    ends = [made.json()["api_key"]["expires_at"]]
    ends.append((await api.get(f"/v1/api-keys/{key_id}")).json()["expires_at"])
    assert {datetime.fromisoformat(end) for end in ends} == {datetime.fromisoformat(soon)}
    _, weak = await make_key(api, "api-keys:manage")
    strong_id, strong = await make_key(api, "messages:send", "api-keys:manage")
    for method, path, body in (
        ("POST", f"/v1/api-keys/{strong_id}/rotate", {}),
        ("PATCH", f"/v1/api-keys/{strong_id}", {"expires_at": None}),
        ("PATCH", f"/v1/api-keys/{strong_id}", {"scopes": ["messages:send", "contacts:read"]}),
    ):
        answer = await api.request(method, path, json=body, headers=weak)
        assert (answer.status_code, answer.json()["code"]) == (403, "not-allowed"), path
    assert (await api.get("/v1/api-keys", headers=strong)).status_code == 200


async def test_scopes_change_with_the_next_request(api: httpx.AsyncClient) -> None:
    key_id, headers = await make_key(api, "tenant:read", "contacts:read")
    url = f"/v1/api-keys/{key_id}"
    changed = await api.patch(url, json={"scopes": ["tenant:read"], "name": "smaller"})
    assert (changed.json()["scopes"], changed.json()["name"]) == (["tenant:read"], "smaller")
    assert (await api.get("/v1/contacts", headers=headers)).status_code == 403
    assert (await api.get("/v1/tenant", headers=headers)).status_code == 200


async def test_the_last_week_of_a_key_is_announced_in_every_answer(
    api: httpx.AsyncClient,
) -> None:
    in_days = [(datetime.now(UTC) + timedelta(days=days)).replace(microsecond=0) for days in (6, 8)]
    _, soon = await make_key(api, "tenant:read", expires_at=in_days[0].isoformat())
    _, later = await make_key(api, "tenant:read", expires_at=in_days[1].isoformat())
    for path, status in (("/v1/tenant", 200), ("/v1/contacts", 403)):
        answer = await api.get(path, headers=soon)
        assert answer.status_code == status
        assert answer.headers["carteiro-key-expires"] == f"{in_days[0]:%Y-%m-%dT%H:%M:%SZ}"
        assert "carteiro-key-expires" not in (await api.get(path, headers=later)).headers


async def test_keys_are_listed_by_state_maker_and_time(
    api: httpx.AsyncClient,
    anonymous: httpx.AsyncClient,
    operator: tenants.Connection,
    tenant: Account,
) -> None:
    user_id, headers = await person(anonymous, operator, tenant, "admin")
    theirs = await api.post(
        "/v1/api-keys", json={"name": "hers", "scopes": ["tenant:read"]}, headers=headers
    )
    key_id, _ = await make_key(api, "tenant:read")
    await api.delete(f"/v1/api-keys/{key_id}")

    async def ids(**query: str) -> list[str]:
        found = await api.get("/v1/api-keys", params=query)
        assert found.status_code == 200, found.text
        return [item["api_key_id"] for item in found.json()["items"]]

    assert await ids(state="revoked") == [key_id]
    assert await ids(made_by=f"user:{user_id}") == [theirs.json()["api_key"]["api_key_id"]]
    assert await ids(created_from=(datetime.now(UTC) + timedelta(hours=1)).isoformat()) == []
    assert len(await ids(state="active")) == 2
    assert (await api.get("/v1/api-keys", params={"made_by": "x"})).status_code == 422


async def test_a_key_made_with_a_persons_key_is_the_persons_too(
    api: httpx.AsyncClient,
    anonymous: httpx.AsyncClient,
    operator: tenants.Connection,
    tenant: Account,
    admin: Admin,
) -> None:
    user_id, headers = await person(anonymous, operator, tenant, "admin")
    scopes = ["api-keys:manage", "tenant:read"]
    first = await api.post("/v1/api-keys", json={"name": "1", "scopes": scopes}, headers=headers)
    second = await api.post(
        "/v1/api-keys", json={"name": "2", "scopes": scopes}, headers=bearer(first)
    )
    assert second.json()["api_key"]["made_by"] == f"user:{user_id}"
    admin.execute("update app.users set status = 'suspended'")
    assert (await api.get("/v1/tenant", headers=bearer(second))).status_code == 401
