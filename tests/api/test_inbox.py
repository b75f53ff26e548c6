"""The inbox and the words of consent, as a tenant and as another one."""

from datetime import UTC, datetime, timedelta

import httpx
import psycopg
import pytest

from core.domain.ids import new_id
from tests.api.conftest import Account, as_tenant, finish_imports

Admin = psycopg.Connection[tuple[object, ...]]
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


async def add_inbound(
    api: httpx.AsyncClient, admin: Admin, account: Account, count: int, *, digit: int = 1
) -> list[str]:
    """Messages a minute apart from one person."""
    csv = f"phone\n+551198765432{digit}\n"
    await api.post(
        "/v1/contacts/imports?list=l",
        content=csv,
        headers={"Content-Type": "text/csv", **as_tenant(account)},
    )
    await finish_imports(api)
    contact = (await api.get("/v1/contacts", headers=as_tenant(account))).json()["items"][0]
    ids = []
    for minute in range(count):
        ids.append(str(new_id()))
        admin.execute(
            "insert into app.inbound_messages (tenant_id, inbound_id, phone_number_id, contact_id,"
            " wamid, type, body, referral, occurred_at, received_at)"
            " values (%s, %s, %s, %s, %s, 'text', %s, '{\"source_type\": \"ad\"}', %s, now())",
            (
                account.tenant_id,
                ids[-1],
                account.phone_number_id,
                contact["contact_id"],
                f"wamid.{ids[-1]}",
                f"mensagem {minute}",
                NOON + timedelta(minutes=minute),
            ),
        )
    return ids


async def test_the_inbox_is_read_page_by_page_newest_first(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    ids = await add_inbound(api, admin, tenant, 5)
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await api.get("/v1/inbox", params={"limit": "2", **cursor})).json()
        seen += [item["inbound_id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == ids[::-1]


async def test_the_inbox_is_filtered_by_number_contact_and_half_open_time(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    ids = await add_inbound(api, admin, tenant, 4)
    between = {
        "created_from": (NOON + timedelta(minutes=1)).isoformat(),
        "created_to": (NOON + timedelta(minutes=3)).isoformat(),
    }
    items = (await api.get("/v1/inbox", params=between)).json()["items"]
    assert [item["inbound_id"] for item in items] == [ids[2], ids[1]]
    assert items[0]["text"] == "mensagem 2"
    assert items[0]["window_expires_at"] is None
    contact = {"contact_id": items[0]["contact_id"], "phone_number_id": tenant.phone_number_id}
    assert len((await api.get("/v1/inbox", params=contact)).json()["items"]) == 4
    other = {"phone_number_id": "999"}
    assert (await api.get("/v1/inbox", params=other)).json()["items"] == []


async def test_one_message_shows_until_when_free_text_may_answer_it(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    (inbound_id,) = await add_inbound(api, admin, tenant, 1)
    admin.execute(
        "insert into app.service_windows (tenant_id, phone_number_id, contact_id, opened_at,"
        " expires_at) select tenant_id, phone_number_id, contact_id, occurred_at,"
        " occurred_at + interval '24 hours' from app.inbound_messages"
    )
    shown = (await api.get(f"/v1/inbox/{inbound_id}")).json()
    assert shown["window_expires_at"] == "2026-11-21T12:00:00Z"
    assert shown["referral"] == {"source_type": "ad"}
    assert "wamid" not in str(shown)


async def test_another_tenant_s_message_is_as_unknown_as_none(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, other: Account
) -> None:
    (theirs,) = await add_inbound(api, admin, other, 1)
    foreign = await api.get(f"/v1/inbox/{theirs}")
    unknown = await api.get(f"/v1/inbox/{new_id()}")
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.json()["detail"] == unknown.json()["detail"]
    assert (await api.get("/v1/inbox")).json()["items"] == []


async def test_words_of_consent_are_replaced_as_a_whole_and_folded(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    items = [
        {"source": "word", "value": "Chega, já!", "action": "opt_out"},
        {"source": "button", "value": "optin:1", "action": "opt_in"},
    ]
    put = await api.put("/v1/consent-keywords", json={"items": items})
    assert put.status_code == 200, put.text
    assert sorted(item["value"] for item in put.json()["items"]) == ["Chega, já!", "optin:1"]
    stored = admin.execute("select value from app.consent_keywords order by value").fetchall()
    assert stored == [("chega ja",), ("optin:1",)]
    await api.put("/v1/consent-keywords", json={"items": items[:1]})
    assert len((await api.get("/v1/consent-keywords")).json()["items"]) == 1


@pytest.mark.parametrize(
    "items",
    [
        [{"source": "word", "value": "!!!", "action": "opt_out"}],
        [{"source": "word", "value": "x" * 41, "action": "opt_out"}],
        [
            {"source": "word", "value": "chega", "action": "opt_out"},
            {"source": "word", "value": "CHEGA", "action": "opt_in"},
        ],
    ],
)
async def test_a_word_that_is_none_or_says_two_things_is_refused_and_nothing_changes(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, items: list[dict[str, str]]
) -> None:
    answer = await api.put("/v1/consent-keywords", json={"items": items})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert admin.execute("select count(*) from app.consent_keywords").fetchall() == [(0,)]


async def test_an_answer_to_who_withdraws_is_off_until_it_is_turned_on(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, other: Account
) -> None:
    url, stored = "/v1/opt-out-answer", "select tenant_id, language, body from app.opt_out_answers"
    proposed = (await api.get(url)).json()
    assert (proposed["enabled"], set(proposed["texts"])) == (False, {"pt", "en"})
    on = (await api.put(url, json={"enabled": True})).json()
    assert on == {"enabled": True, "texts": proposed["texts"]}
    own = await api.put(url, json={"enabled": True, "texts": {"es": "Hecho."}})
    assert own.json() == {"enabled": True, "texts": {"es": "Hecho."}}
    assert admin.execute(stored).fetchall() == [(tenant.tenant_id, "es", "Hecho.")]
    assert (await api.get(url, headers=as_tenant(other))).json() == proposed
    for texts in ({}, {"pt_BR": "x"}, {"pt": "  "}, {"pt": "x" * 1_025}):
        refused = await api.put(url, json={"enabled": True, "texts": texts})
        assert refused.status_code == 422, texts
    assert (await api.put(url, json={"enabled": False})).json() == proposed
    assert admin.execute(stored).fetchall() == []
