"""What owners change of their tenant themselves."""

import httpx
import psycopg
import pytest

from core.store import tenants
from tests.api.conftest import Account
from tests.api.test_authentication import log_in
from tests.api.test_isolation import make_invoice
from tests.api.test_sessions import bearer
from tests.api.test_users import accept, invite, person

Admin = psycopg.Connection[tuple[object, ...]]
Person = tuple[str, dict[str, str]]


@pytest.fixture
async def owner(
    anonymous: httpx.AsyncClient, operator: tenants.Connection, tenant: Account
) -> Person:
    return await person(anonymous, operator, tenant, "owner")


async def change(
    client: httpx.AsyncClient, headers: dict[str, str], **wanted: object
) -> httpx.Response:
    return await client.patch("/v1/tenant", json=wanted, headers=headers)


async def test_an_owner_changes_the_rules_and_nobody_else_does(
    anonymous: httpx.AsyncClient, operator: tenants.Connection, tenant: Account, owner: Person
) -> None:
    wanted = {
        "name": "Aurora Ltda",
        "locale": "pt-BR",
        "timezone": "America/Manaus",
        "marketing_cap_messages": 2,
        "marketing_cap_days": 7,
        "blocked_countries": ["US", "CU", "US"],
    }
    answer = await change(anonymous, owner[1], **wanted)
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert shown["blocked_countries"] == ["CU", "US"]
    assert {name: shown[name] for name in wanted if name != "blocked_countries"} == {
        name: value for name, value in wanted.items() if name != "blocked_countries"
    }
    off = {"marketing_cap_messages": None, "marketing_cap_days": None}
    cleared = (await change(anonymous, owner[1], **off)).json()
    assert (cleared["marketing_cap_days"], cleared["name"]) == (None, "Aurora Ltda")
    _, admin_headers = await person(anonymous, operator, tenant, "admin")
    assert (await change(anonymous, admin_headers, name="Mine")).status_code == 403


@pytest.mark.parametrize(
    "wanted",
    [
        {"timezone": "../../etc/passwd"},
        {"timezone": "Mars/Olympus"},
        {"timezone": None},
        {"name": None},
        {"locale": "not a locale"},
        {"marketing_cap_messages": 2},
        {"marketing_cap_messages": 2, "marketing_cap_days": None},
        {"marketing_cap_messages": 0, "marketing_cap_days": 7},
        {"blocked_countries": ["usa"]},
        {"currency": "USD"},
        {"status": "active"},
        {"four_eyes": "off"},
    ],
)
async def test_what_makes_no_sense_is_refused(
    anonymous: httpx.AsyncClient, owner: Person, wanted: dict[str, object]
) -> None:
    assert (await change(anonymous, owner[1], **wanted)).status_code == 422


async def test_the_zone_stays_once_its_days_were_invoiced(
    anonymous: httpx.AsyncClient, owner: Person, admin: Admin, tenant: Account
) -> None:
    make_invoice(admin, tenant)
    answer = await change(anonymous, owner[1], timezone="America/Manaus")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    same = await change(anonymous, owner[1], timezone="America/Sao_Paulo", name="Aurora")
    assert same.status_code == 200


async def test_four_eyes_are_on_at_once_and_off_by_two_owners_only(
    anonymous: httpx.AsyncClient, owner: Person, api: httpx.AsyncClient, admin: Admin
) -> None:
    assert (await change(anonymous, owner[1], four_eyes=True)).json()["four_eyes"] is True
    for _ in range(2):
        asked = (await change(anonymous, owner[1], four_eyes=False)).json()
        assert asked["four_eyes"] is True
        assert asked["four_eyes_off_asked_by"] == f"user:{owner[0]}"
    own_key = await anonymous.post(
        "/v1/api-keys", json={"name": "k", "scopes": ["tenant:manage"]}, headers=owner[1]
    )
    for secret in (own_key.json()["secret"], api.headers["authorization"].split()[1]):
        headers = {"Authorization": f"Bearer {secret}"}
        assert (await change(anonymous, headers, four_eyes=False)).status_code == 403
    invited = await invite(anonymous, owner[1], "owner", email="second@example.com")
    await accept(anonymous, invited.json()["token"])
    second = bearer((await log_in(anonymous, email="second@example.com")).json())
    admin.execute(
        "update app.tenants set four_eyes_off_asked_at = now() - interval '8 days'"
        " where four_eyes_off_asked_at is not null"
    )
    assert (await change(anonymous, second, four_eyes=False)).json()["four_eyes"] is True
    agreed = (await change(anonymous, owner[1], four_eyes=False)).json()
    assert (agreed["four_eyes"], agreed["four_eyes_off_asked_by"]) == (False, None)
