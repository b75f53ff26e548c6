"""Many messages in one request: each queued or refused by itself, as a request of its own would."""

from typing import Any

import httpx
import psycopg
import pytest

from core.domain.ids import new_id
from tests.api.conftest import Account, as_tenant
from tests.api.test_campaigns import make_template
from tests.api.test_messages import PHONE, key, template_message

Admin = psycopg.Connection[tuple[object, ...]]
URL = "/v1/messages/bulk"


async def send(api: httpx.AsyncClient, *items: object, **headers: str) -> dict[str, Any]:
    answer = await api.post(URL, json={"items": items}, headers=key() | headers)
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    return found


def codes(found: dict[str, Any]) -> list[str]:
    return [item["problem"]["code"] if item["problem"] else "queued" for item in found["items"]]


async def consent(api: httpx.AsyncClient, phone: str, action: str, purpose: str) -> str:
    saved = (await api.post("/v1/contacts", json={"phone": phone})).json()
    contact_id = str(saved["contact"]["contact_id"])
    body = {"purpose": purpose, "action": action, "channel": "form", "text_version": "1"}
    said = await api.post("/v1/consents", json=body | {"contact_id": contact_id})
    assert said.status_code == 201, said.text
    return contact_id


def text_to(account: Account, **to: str) -> dict[str, object]:
    return {"phone_number_id": account.phone_number_id, "text": {"body": "Oi"}, **to}


async def test_each_item_is_judged_as_a_request_of_its_own_would_be(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, other: Account
) -> None:
    for category in ("utility", "marketing"):
        make_template(admin, tenant, category=category)
    make_template(admin, tenant, category="authentication", status="PAUSED")
    yes = await consent(api, "+5511987654301", "granted", "marketing")
    american = await consent(api, "+12125550123", "granted", "marketing")
    no = await consent(api, "+5511987654302", "revoked", "utility")
    alone = await consent(api, "+5511987654303", "granted", "utility")
    await api.post("/v1/suppressions", json={"contact_id": alone, "reason": "legal"})
    utility, marketing = template_message(tenant), template_message(tenant, "marketing")
    del utility["to"], marketing["to"]
    empty = utility | {"template": {"name": "offer_utility_approved", "language": "pt_BR"}}
    paused = {"name": "offer_authentication_paused", "language": "pt_BR"}
    items = [
        utility | {"to": PHONE},
        marketing | {"contact_id": yes},
        marketing | {"to": "+5511987654309"},
        marketing | {"contact_id": american},
        utility | {"contact_id": no},
        utility | {"contact_id": alone},
        utility | {"contact_id": str(new_id())},
        utility | {"to": "12"},
        empty | {"to": PHONE},
        utility | {"to": PHONE, "template": paused},
        utility | {"to": PHONE, "template": {"name": "nowhere", "language": "pt_BR"}},
        utility | {"to": PHONE, "phone_number_id": other.phone_number_id},
        text_to(tenant, to=PHONE),
    ]
    found = await send(api, *items)
    assert codes(found) == [
        "queued",
        "queued",
        "consent-missing",
        "us-marketing",
        "opted-out",
        "suppressed",
        "not-found",
        "invalid-phone",
        "missing-parameter",
        "template-not-sendable",
        "invalid-input",
        "invalid-input",
        "queued",
    ]
    assert (found["done"], found["refused"]) == (3, 10)
    assert [item["index"] for item in found["items"]] == list(range(13))
    assert found["items"][8]["problem"]["pointer"] == "/items/8/template/parameters/1"
    assert found["items"][11]["problem"]["pointer"] == "/items/11/phone_number_id"
    for index, item in enumerate(found["items"]):
        alone_answer = await api.post("/v1/messages", json=items[index], headers=key())
        if item["problem"] is None:
            assert alone_answer.status_code == 202, index
            stored = await api.get(f"/v1/messages/{item['message']['message_id']}")
            again = await api.get(f"/v1/messages/{alone_answer.json()['message_id']}")
            for member in ("content", "address", "category", "market", "kind", "contact_id"):
                assert stored.json()[member] == again.json()[member], (index, member)
        else:
            assert alone_answer.json()["code"] == item["problem"]["code"], index
            assert alone_answer.json()["detail"] == item["problem"]["detail"], index


async def test_every_queued_message_has_its_row_and_its_event_and_strangers_are_made_once(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    make_template(admin, tenant, category="utility")
    make_template(admin, tenant, category="marketing")
    wanted = template_message(tenant)
    found = await send(
        api,
        wanted | {"expires_in_seconds": 60},
        wanted,
        # The same person by another spelling, and somebody whom only a refused message names.
        wanted | {"to": "11 98765-4321"},
        template_message(tenant, "marketing") | {"to": "+5511987654399"},
    )
    assert codes(found) == ["queued", "queued", "queued", "consent-missing"]
    ids = [item["message"]["message_id"] for item in found["items"][:3]]
    assert len(set(ids)) == 3
    assert len({item["message"]["contact_id"] for item in found["items"][:3]}) == 1
    assert admin.execute("select count(*) from app.contacts").fetchone() == (1,)
    rows = admin.execute(
        "select m.message_id::text, m.state, e.event_type, m.expires_at - m.created_at"
        " < interval '61 seconds' from app.messages as m"
        " inner join raw.message_events as e using (tenant_id, message_id) order by m.message_id"
    ).fetchall()
    assert rows == [
        (message_id, "queued", "planned", True if at == 0 else None)
        for at, message_id in enumerate(ids)
    ]


async def test_a_bulk_request_happens_once_for_a_key_and_leaves_one_audit_entry(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    body = {"items": [text_to(tenant, to=PHONE), text_to(tenant, to="12")]}
    headers = key()
    first = await api.post(URL, json=body, headers=headers)
    again = await api.post(URL, json=body, headers=headers)
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert admin.execute("select count(*) from app.messages").fetchone() == (1,)
    entries = admin.execute(
        "select target_kind, details from app.audit_entries where operation = 'send_messages'"
    ).fetchall()
    assert entries == [("messages", {"done": 1, "refused": 1})]
    without = await api.post(URL, json=body)
    assert (without.status_code, without.json()["code"]) == (400, "bad-idempotency-key")


@pytest.mark.parametrize(
    "items", [[], [{"to": PHONE}], [{"phone_number_id": "1", "to": PHONE, "text": {"body": ""}}]]
)
async def test_a_body_of_the_wrong_shape_is_refused_as_a_whole(
    api: httpx.AsyncClient, tenant: Account, items: list[object]
) -> None:
    answer = await api.post(URL, json={"items": items}, headers=key())
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input")


async def test_a_thousand_messages_are_queued_in_one_request_and_one_more_is_refused(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    many = [text_to(tenant, to=f"+55119{80_000_000 + number}") for number in range(1_000)]
    found = await send(api, *many)
    assert (found["done"], found["refused"]) == (1_000, 0)
    assert admin.execute("select count(*) from app.messages").fetchone() == (1_000,)
    addresses = admin.execute("select address from app.messages order by message_id").fetchall()
    assert [address for (address,) in addresses] == [item["to"] for item in many]
    more = await api.post(URL, json={"items": [*many, many[0]]}, headers=key())
    assert more.status_code == 422


async def test_other_tenants_people_and_templates_are_unknown_here(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, other: Account
) -> None:
    make_template(admin, tenant, category="utility")
    contact = await consent(api, PHONE, "granted", "utility")
    found = await send(
        api,
        text_to(other, contact_id=contact),
        template_message(other),
        text_to(tenant, to=PHONE),
        **as_tenant(other),
    )
    assert codes(found) == ["not-found", "invalid-input", "invalid-input"]
    assert admin.execute("select count(*) from app.messages").fetchone() == (0,)
