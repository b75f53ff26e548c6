"""Who is left alone: by people's word, by Meta's answers, and until when."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from core.domain.consent_proof import is_whole
from core.store.queries import load
from tests.api.conftest import Account
from tests.api.test_campaigns import make_template
from tests.api.test_messages import key, template_message

Admin = psycopg.Connection[tuple[object, ...]]
URL = "/v1/suppressions"
PHONE = "+5511987654321"


async def add(api: httpx.AsyncClient, **wanted: Any) -> httpx.Response:
    return await api.post(URL, json={"reason": "person_asked", **wanted})


async def add_known(api: httpx.AsyncClient, **wanted: Any) -> dict[str, Any]:
    answer = await add(api, **wanted)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_person_is_left_alone_until_somebody_lifts_it(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    make_template(admin, tenant, category="utility")
    made = await add_known(api, phone="(11) 98765-4321", note="called the shop")
    assert (made["address"], made["scope"], made["reason"]) == (PHONE, "everything", "person_asked")
    assert made["added_by"].startswith("api_key:")
    wanted = template_message(tenant) | {"to": PHONE}
    refused = await api.post("/v1/messages", json=wanted, headers=key())
    assert refused.json()["code"] == "suppressed"
    address = f"{URL}/{made['contact_id']}"
    assert (await api.get(address)).json() == made
    lifted = await api.post(f"{address}/lift", json={"reason": "person_asked"})
    assert lifted.json() == made
    assert (await api.get(address)).status_code == 404
    assert (await api.post(f"{address}/lift", json={"reason": "other"})).status_code == 404
    assert (await api.post("/v1/messages", json=wanted, headers=key())).status_code == 202
    entries = (await api.get("/v1/audit", params={"target_id": made["contact_id"]})).json()["items"]
    told = [(entry["operation"], entry["details"]) for entry in entries]
    assert told == [
        ("lift_suppression", {"reason": "person_asked", "was": "person_asked"}),
        ("add_suppression", {"reason": "person_asked"}),
    ]


async def test_what_lasts_longer_holds(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    soon = datetime.now(UTC) + timedelta(days=1)
    late = soon + timedelta(days=1)
    made = await add_known(api, phone=PHONE, until=late.isoformat())
    shorter = await add_known(api, contact_id=made["contact_id"], until=soon.isoformat())
    assert datetime.fromisoformat(shorter["until"]) == late
    forever = await add_known(api, contact_id=made["contact_id"], reason="legal")
    assert forever["until"] is None

    def meta_says(seconds: float | None) -> None:
        admin.execute(
            load("dispatch").suppress_contact,
            {
                "tenant_id": tenant.tenant_id,
                "contact_id": made["contact_id"],
                "reason": "undeliverable",
                "error_code": 131026,
                "seconds": seconds,
            },
        )

    meta_says(3600)
    kept = (await api.get(f"{URL}/{made['contact_id']}")).json()
    assert (kept["until"], kept["reason"], kept["error_code"]) == (None, "legal", None)
    admin.execute("update app.suppressions set until = now() + interval '1 minute'")
    meta_says(3600)
    meant = (await api.get(f"{URL}/{made['contact_id']}")).json()
    assert (meant["reason"], meant["error_code"], meant["added_by"]) == (
        "undeliverable",
        131026,
        None,
    )


async def test_the_list_is_filtered_and_paged(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    ids = [
        (await add_known(api, phone=f"+551198765432{n}", reason=reason))["contact_id"]
        for n, reason in enumerate(["complaint", "legal", "legal", "other"])
    ]
    admin.execute(
        "update app.suppressions set until = now(), marketing_until = now() + interval '1 day',"
        " error_code = 131049 where contact_id = %s",
        (ids[0],),
    )
    admin.execute("update app.suppressions set until = now() where contact_id = %s", (ids[3],))

    async def listed(**query: str | int) -> list[str]:
        answer = await api.get(URL, params=query)
        assert answer.status_code == 200, answer.text
        return [item["contact_id"] for item in answer.json()["items"]]

    assert await listed() == ids[::-1]
    assert await listed(reason="legal") == [ids[2], ids[1]]
    assert await listed(scope="marketing") == [ids[0]]
    assert await listed(scope="nothing") == [ids[3]]
    assert await listed(error_code=131049) == [ids[0]]
    first = (await api.get(URL, params={"limit": 3})).json()
    assert await listed(limit=3, cursor=first["next_cursor"]) == [ids[0]]
    at = (await api.get(f"{URL}/{ids[1]}")).json()["suppressed_at"]
    assert await listed(created_from=at) == ids[:0:-1]
    assert await listed(created_to=at) == [ids[0]]


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ({}, 422),
        ({"phone": PHONE, "contact_id": "019a0000-0000-7000-8000-000000000000"}, 422),
        ({"phone": PHONE, "until": "2020-01-01T00:00:00Z"}, 422),
        ({"phone": "call me"}, 422),
        ({"phone": PHONE, "reason": "because"}, 422),
        ({"contact_id": "019a0000-0000-7000-8000-000000000000"}, 404),
    ],
)
async def test_what_cannot_be_meant_is_refused(
    api: httpx.AsyncClient, wanted: dict[str, Any], status: int
) -> None:
    assert (await add(api, **wanted)).status_code == status


async def test_a_proof_can_be_checked_and_names_the_audit_entries(
    api: httpx.AsyncClient, admin: Admin
) -> None:
    saved = (await api.post("/v1/contacts", json={"phone": PHONE})).json()["contact"]
    said = {"contact_id": saved["contact_id"], "purpose": "marketing", "channel": "site"}
    evidence = {"order": "1042"}
    given = {"action": "granted", "text_version": "2026-09", "evidence": evidence}
    first = (await api.post("/v1/consents", json=said | given)).json()["consent_id"]
    await api.post("/v1/consents", json=said | {"action": "revoked"})
    address = f"/v1/contacts/{saved['contact_id']}/consent-proof"
    proof = (await api.get(address)).json()
    assert is_whole(proof)
    assert [entry["action"] for entry in proof["entries"]] == ["granted", "revoked"]
    entry = proof["entries"][0]
    assert (entry["consent_id"], entry["text_version"]) == (first, "2026-09")
    assert entry["evidence"]["order"] == "1042"
    assert proof["states"][0]["granted"] is False
    audit = (await api.get("/v1/audit", params={"operation": "record_consent"})).json()["items"]
    assert [entry["audit"]["entry_id"] for entry in proof["entries"]] == [
        item["entry_id"] for item in audit[::-1]
    ]
    proof["entries"][0]["text_version"] = "2026-10"
    assert not is_whole(proof)
