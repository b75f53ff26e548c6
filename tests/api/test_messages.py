"""Single messages: the checks before, the effect once, the story after."""

import asyncio

import httpx
import psycopg
import pytest

from core.domain.ids import new_id
from tests.api.conftest import Account, finish_imports
from tests.api.test_campaigns import make_template

Admin = psycopg.Connection[tuple[object, ...]]
PHONE = "+55 11 98765-4321"


def key() -> dict[str, str]:
    return {"Idempotency-Key": str(new_id())}


def template_message(account: Account, category: str = "utility") -> dict[str, object]:
    return {
        "phone_number_id": account.phone_number_id,
        "to": PHONE,
        "template": {
            "name": f"offer_{category}_approved",
            "language": "pt_BR",
            "parameters": {"1": "Ana"},
        },
    }


async def test_a_template_message_is_frozen_and_queued_with_its_event(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    make_template(admin, tenant, category="utility")
    answer = await api.post("/v1/messages", json=template_message(tenant), headers=key())
    assert answer.status_code == 202, answer.text
    queued = answer.json()
    message = (await api.get(f"/v1/messages/{queued['message_id']}")).json()
    assert (message["state"], message["category"]) == ("queued", "utility")
    assert message["address"] == "+5511987654321"
    assert message["content"]["template"]["components"] == [
        {"type": "body", "parameters": [{"type": "text", "text": "Ana"}]}
    ]
    rows = admin.execute("select event_type, message_id::text from raw.message_events").fetchall()
    assert rows == [("planned", queued["message_id"])]


async def test_one_key_is_one_message_also_fifty_at_a_time(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    make_template(admin, tenant, category="utility")
    headers = key()
    wanted = template_message(tenant)
    answers = await asyncio.gather(
        *(api.post("/v1/messages", json=wanted, headers=headers) for _ in range(50))
    )
    assert {answer.status_code for answer in answers} <= {202, 409}
    taken = [answer for answer in answers if answer.status_code == 202]
    assert len({answer.text for answer in taken}) == 1
    in_flight = [answer.json()["code"] for answer in answers if answer.status_code == 409]
    assert set(in_flight) <= {"request-in-flight"}
    assert admin.execute("select count(*) from app.messages").fetchone() == (1,)
    again = await api.post("/v1/messages", json=wanted, headers=headers)
    assert (again.status_code, again.text) == (202, taken[0].text)
    assert again.headers["idempotency-replayed"] == "true"


async def test_a_key_belongs_to_one_request(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    make_template(admin, tenant, category="utility")
    headers = key()
    wanted = template_message(tenant)
    assert (await api.post("/v1/messages", json=wanted, headers=headers)).status_code == 202
    answer = await api.post("/v1/messages", json=wanted | {"to": "+351912345678"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")


async def test_a_refused_request_leaves_its_key_free(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    headers = key()
    wanted = template_message(tenant)
    assert (await api.post("/v1/messages", json=wanted, headers=headers)).status_code == 422
    make_template(admin, tenant, category="utility")
    assert (await api.post("/v1/messages", json=wanted, headers=headers)).status_code == 202


@pytest.mark.parametrize("bad", [None, "", "a" * 256, "a b", "a\tb", b"a\x01", "\u00e9".encode()])
async def test_a_missing_or_malformed_key_is_refused(
    api: httpx.AsyncClient, tenant: Account, bad: str | bytes | None
) -> None:
    raw = bad.encode() if isinstance(bad, str) else bad
    headers = {} if raw is None else {b"Idempotency-Key": raw}
    answer = await api.post("/v1/messages", json=template_message(tenant), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad-idempotency-key")


async def test_marketing_needs_consent_and_a_withdrawal_stops_it(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    make_template(admin, tenant, category="marketing")
    wanted = template_message(tenant, "marketing")
    saved = (await api.post("/v1/contacts", json={"phone": PHONE})).json()
    contact_id = saved["contact"]["contact_id"]

    async def code_of_send() -> str:
        answer = await api.post("/v1/messages", json=wanted, headers=key())
        return "sent" if answer.status_code == 202 else answer.json()["code"]

    async def say(action: str) -> None:
        body = {
            "contact_id": contact_id,
            "purpose": "marketing",
            "action": action,
            "channel": "form",
            "text_version": "v1",
        }
        assert (await api.post("/v1/consents", json=body)).status_code == 201

    assert await code_of_send() == "consent-missing"
    await say("granted")
    assert await code_of_send() == "sent"
    await say("revoked")
    assert await code_of_send() == "opted-out"
    await say("granted")
    admin.execute(
        "insert into app.suppressions (tenant_id, contact_id, reason) values (%s, %s, 'blocked')",
        (tenant.tenant_id, contact_id),
    )
    assert await code_of_send() == "suppressed"
    assert admin.execute("select count(*) from app.messages").fetchone() == (1,)


async def test_marketing_to_the_united_states_is_refused(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    make_template(admin, tenant, category="marketing")
    text = "phone\n+12125550123\n+14165550123\n"
    query = {"list": "x", "consent_channel": "form", "consent_text_version": "1"}
    await api.post(
        "/v1/contacts/imports", params=query, content=text, headers={"Content-Type": "text/csv"}
    )
    await finish_imports(api)
    codes = {}
    for phone in ("+1 212 555 0123", "+1 416 555 0123"):
        wanted = template_message(tenant, "marketing") | {"to": phone}
        answer = await api.post("/v1/messages", json=wanted, headers=key())
        codes[phone] = answer.json().get("code", answer.status_code)
    assert codes == {"+1 212 555 0123": "us-marketing", "+1 416 555 0123": 202}


async def test_a_text_is_a_service_message(api: httpx.AsyncClient, tenant: Account) -> None:
    wanted = {"phone_number_id": tenant.phone_number_id, "to": PHONE, "text": {"body": "Hi"}}
    answer = await api.post("/v1/messages", json=wanted, headers=key())
    assert (answer.json()["kind"], answer.json()["category"]) == ("text", "service")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"template": {"name": "unknown", "language": "pt_BR"}}, "invalid-input"),
        (
            {"template": {"name": "offer_utility_approved", "language": "pt_BR"}},
            "missing-parameter",
        ),
        (
            {"template": {"name": "offer_utility_paused", "language": "pt_BR"}},
            "template-not-sendable",
        ),
        ({"to": "12"}, "invalid-phone"),
        ({"to": None}, "invalid-input"),
        ({"text": {"body": "both"}}, "invalid-input"),
        ({"phone_number_id": "999"}, "invalid-input"),
        ({"expires_in_seconds": 0}, "invalid-input"),
        ({"expires_in_seconds": "60"}, "invalid-input"),
    ],
)
async def test_what_can_not_be_sent_is_refused_and_writes_nothing(
    api: httpx.AsyncClient,
    admin: Admin,
    tenant: Account,
    change: dict[str, object],
    code: str,
) -> None:
    make_template(admin, tenant, category="utility")
    make_template(admin, tenant, category="utility", status="PAUSED")
    wanted = template_message(tenant) | change
    answer = await api.post("/v1/messages", json=wanted, headers=key())
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert admin.execute("select count(*) from app.messages").fetchone() == (0,)
    assert admin.execute("select count(*) from app.contacts").fetchone() == (0,)


async def test_the_story_of_a_message_is_told_in_order(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    make_template(admin, tenant, category="utility")
    sent = await api.post("/v1/messages", json=template_message(tenant), headers=key())
    message_id = sent.json()["message_id"]
    place = {"t": tenant.tenant_id, "m": message_id}
    admin.execute(
        "insert into app.message_attempts (tenant_id, message_id, attempt_no, outcome, claimed_at, "
        "requested_at, answered_at, http_status, error_code) values "
        "(%(t)s, %(m)s, 1, 'throttled', now(), now() + interval '1 s', now() + interval '2 s', "
        "400, 130429), (%(t)s, %(m)s, 2, 'accepted', now() + interval '5 s', "
        "now() + interval '6 s', now() + interval '7 s', 200, null)",
        place,
    )
    admin.execute(
        "insert into app.message_wamids (tenant_id, wamid, message_id, attempt_no) "
        "values (%(t)s, 'wamid.x', %(m)s, 2)",
        place,
    )
    admin.execute(
        "insert into app.status_keys (tenant_id, wamid, status, occurred_at) "
        "values (%(t)s, 'wamid.x', 'delivered', now() + interval '9 s')",
        place,
    )
    story = (await api.get(f"/v1/messages/{message_id}/explain")).json()
    assert [moment["what"] for moment in story["timeline"]] == [
        "event: planned",
        "attempt 1: sent to Meta",
        "Meta answered",
        "attempt 2: sent to Meta",
        "Meta answered",
        "Meta reported: delivered",
    ]
    assert [error["code"] for error in story["errors"]] == [130429]
    assert story["template"]["name"] == "offer_utility_approved"
    assert "wamid" not in str(story)
