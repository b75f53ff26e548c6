"""Many at once: every item is done or refused by itself, and the counts tell it."""

from typing import Any

import httpx
from hypothesis import given
from hypothesis import strategies as st

from api.bulk import Results
from core.domain.ids import new_id

PHONES = ["+5511987654321", "+5511987654322"]


async def post(api: httpx.AsyncClient, path: str, items: list[Any], **headers: str) -> Any:
    answer = await api.post(path, json={"items": items}, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def codes(found: Any) -> list[str]:
    return [(item["problem"] or {"code": "done"})["code"] for item in found["items"]]


async def test_people_are_saved_one_by_one(api: httpx.AsyncClient) -> None:
    news = (await api.post("/v1/lists", json={"name": "news"})).json()["list_id"]
    await api.post("/v1/contact-attributes", json={"name": "points", "type": "number"})
    items = [
        {"phone": PHONES[0], "name": "Ana", "list_id": news},
        {"phone": "call me"},
        {"phone": "+55 11 8765-4321", "name": "Other"},
        {"phone": PHONES[1], "attributes": {"points": "many"}},
        {"phone": PHONES[1], "list_id": str(new_id())},
        {"phone": PHONES[1], "attributes": {"points": "5.0"}},
    ]
    found = await post(api, "/v1/contacts/bulk", items)
    assert codes(found) == [
        "done",
        "invalid-phone",
        "conflict",
        "invalid-input",
        "not-found",
        "done",
    ]
    assert (found["done"], found["refused"]) == (2, 4)
    assert [item["index"] for item in found["items"]] == list(range(6))
    assert found["items"][3]["problem"]["pointer"] == "/items/3/attributes/points"
    people = (await api.get("/v1/contacts")).json()["items"]
    assert {(one["name"], one["attributes"].get("points")) for one in people} == {
        ("Ana", None),
        (None, "5"),
    }
    assert (await api.get(f"/v1/lists/{news}")).json()["members"] == 1
    again = await post(api, "/v1/contacts/bulk", items[:1])
    assert again["items"][0]["created"] is False


async def test_a_key_covers_the_whole_request(api: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "bulk-1"}
    body = {"items": [{"phone": PHONES[0]}, {"phone": "x"}]}
    first = await api.post("/v1/contacts/bulk", json=body, headers=headers)
    second = await api.post("/v1/contacts/bulk", json=body, headers=headers)
    assert second.json() == first.json()
    assert second.headers["Idempotency-Replayed"] == "true"


async def test_a_body_of_the_wrong_shape_does_nothing(api: httpx.AsyncClient) -> None:
    for items in ([], [{"phone": PHONES[0]}, {"phone": 5}], [{"phone": PHONES[0]}] * 1_001):
        answer = await api.post("/v1/contacts/bulk", json={"items": items})
        assert answer.status_code == 422
    assert (await api.get("/v1/contacts")).json()["items"] == []


async def test_members_come_and_go(api: httpx.AsyncClient) -> None:
    saved = await post(api, "/v1/contacts/bulk", [{"phone": phone} for phone in PHONES])
    one, two = (item["contact_id"] for item in saved["items"])
    news = (await api.post("/v1/lists", json={"name": "news"})).json()["list_id"]
    address = f"/v1/lists/{news}/members"
    found = await post(
        api,
        address,
        [
            {"contact_id": one, "action": "add"},
            {"contact_id": two, "action": "add"},
            {"contact_id": one, "action": "remove"},
            {"contact_id": str(new_id()), "action": "add"},
        ],
    )
    assert codes(found) == ["done", "done", "conflict", "not-found"]
    await post(api, address, [{"contact_id": one, "action": "remove"}])
    [left] = (await api.get("/v1/contacts", params={"list_id": news})).json()["items"]
    assert left["contact_id"] == two


async def test_many_are_left_alone(api: httpx.AsyncClient) -> None:
    saved = await post(api, "/v1/contacts/bulk", [{"phone": PHONES[0]}])
    known = saved["items"][0]["contact_id"]
    items = [
        {"contact_id": known, "reason": "legal"},
        {"phone": PHONES[1], "reason": "person_asked"},
        {"phone": PHONES[0], "reason": "other"},
        {"contact_id": str(new_id()), "reason": "other"},
        {"phone": "x", "reason": "other"},
        {"reason": "other"},
        {"phone": PHONES[1], "reason": "other", "until": "2020-01-01T00:00:00Z"},
    ]
    found = await post(api, "/v1/suppressions/bulk", items)
    assert codes(found) == [
        "done",
        "done",
        "conflict",
        "not-found",
        "invalid-phone",
        "invalid-input",
        "invalid-input",
    ]
    assert found["items"][1]["created"] is True
    listed = (await api.get("/v1/suppressions")).json()["items"]
    assert {(one["address"], one["reason"]) for one in listed} == {
        (PHONES[0], "legal"),
        (PHONES[1], "person_asked"),
    }


async def test_lists_are_filtered_by_time_and_state(api: httpx.AsyncClient) -> None:
    for phone in PHONES:
        await api.post("/v1/contacts", json={"phone": phone})
    newer, older = (await api.get("/v1/contacts")).json()["items"]
    changed = {"phone": PHONES[0], "name": "Ana"}
    older = (await api.post("/v1/contacts", json=changed)).json()["contact"]

    async def ids(**query: str) -> list[str]:
        found = (await api.get("/v1/contacts", params=query)).json()["items"]
        return [one["contact_id"] for one in found]

    assert await ids(created_from=newer["created_at"]) == [newer["contact_id"]]
    assert await ids(created_to=newer["created_at"]) == [older["contact_id"]]
    assert await ids(updated_from=older["updated_at"]) == [older["contact_id"]]
    assert await ids(updated_to=older["updated_at"]) == [newer["contact_id"]]
    await api.post("/v1/lists", json={"name": "a"})
    [made] = (await api.get("/v1/lists")).json()["items"]
    before = {"created_to": made["created_at"]}
    after = {"created_from": made["created_at"]}
    assert (await api.get("/v1/lists", params=before)).json()["items"] == []
    assert (await api.get("/v1/lists", params=after)).json()["items"] == [made]
    csv = {"Content-Type": "text/csv"}
    for dry in ("true", "false"):
        await api.post(
            "/v1/contacts/imports",
            params={"list": "l", "dry_run": dry},
            content="phone\n1\n",
            headers=csv,
        )
    for query, count in (
        ({"state": "queued"}, 2),
        ({"state": "finished"}, 0),
        ({"dry_run": "true"}, 1),
        ({"dry_run": "false"}, 1),
        ({"created_to": made["created_at"]}, 0),
        ({"created_from": made["created_at"]}, 2),
    ):
        found = (await api.get("/v1/contacts/imports", params=query)).json()["items"]
        assert len(found) == count, query


@given(refused=st.lists(st.booleans(), max_size=30))
def test_every_item_has_one_result_and_the_counts_are_true(refused: list[bool]) -> None:
    results = Results()
    for index, no in reversed(list(enumerate(refused))):
        if no:
            results.refuse(index, "not-found", "x", "/phone")
        else:
            results.done(index, new_id())
    answer = results.answer()
    assert [item.index for item in answer.items] == list(range(len(refused)))
    assert answer.refused == sum(refused)
    assert answer.done + answer.refused == len(refused)
