"""Declared attributes: what they take, wherever values come in."""

from typing import Any

import httpx
import pytest

from tests.api.test_contact_imports import errors_of, upload

URL = "/v1/contact-attributes"
PHONE = "+5511987654321"


async def declare(api: httpx.AsyncClient, **wanted: Any) -> dict[str, Any]:
    answer = await api.post(URL, json=wanted)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_values_of_a_contact_are_checked_and_kept_in_one_form(
    api: httpx.AsyncClient,
) -> None:
    await declare(api, name="points", type="number")
    await declare(api, name="tier", type="enum", options=["Gold", "Silver"])
    person = {"phone": PHONE, "attributes": {"points": "012.50", "tier": "gold", "note": "x"}}
    saved = (await api.post("/v1/contacts", json=person)).json()
    assert saved["contact"]["attributes"] == {"points": "12.5", "tier": "Gold", "note": "x"}
    for name, value in (("points", "many"), ("tier", "bronze")):
        answer = await api.post("/v1/contacts", json={"phone": PHONE, "attributes": {name: value}})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == f"/attributes/{name}"


async def test_a_row_that_does_not_fit_is_refused_by_its_reason(api: httpx.AsyncClient) -> None:
    await declare(api, name="born", type="date")
    await declare(api, name="vip", type="boolean")
    done = await upload(
        api,
        "phone,born,vip\n+5511987654321,1990-05-17,sim\n+5511987654322,17/05/1990,\n"
        "+5511987654323,,maybe\n",
    )
    assert done.json()["refused_by_reason"] == {"bad_date": 1, "bad_yes_no": 1}
    rows = await errors_of(api, done.json()["import_id"])
    assert [(row["row"], row["column"]) for row in rows] == [("3", "born"), ("4", "vip")]
    [contact] = (await api.get("/v1/contacts")).json()["items"]
    assert contact["attributes"] == {"born": "1990-05-17", "vip": "true"}


async def test_a_declaration_is_changed_and_taken_back(api: httpx.AsyncClient) -> None:
    made = await declare(api, name="tier", type="enum", options=["Gold"], personal=False)
    address = f"{URL}/{made['attribute_id']}"
    changed = await api.patch(address, json={"options": ["Gold", "Silver"]})
    assert changed.json()["options"] == ["Gold", "Silver"]
    assert changed.json()["personal"] is False
    assert (await api.get(address)).json() == changed.json()
    assert (await api.get(URL)).json()["items"] == [changed.json()]
    assert (await api.delete(address)).status_code == 204
    assert (await api.get(address)).status_code == 404
    person = {"phone": PHONE, "attributes": {"tier": "anything"}}
    assert (await api.post("/v1/contacts", json=person)).status_code == 201


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"name": "phone", "type": "text"}, "invalid-input"),
        ({"name": "a b", "type": "text"}, "invalid-input"),
        ({"name": "a", "type": "uuid"}, "invalid-input"),
        ({"name": "a", "type": "enum"}, "invalid-input"),
        ({"name": "a", "type": "text", "options": ["x"]}, "invalid-input"),
        ({"name": "a", "type": "enum", "options": ["x", "X "]}, "invalid-input"),
        ({"name": "known", "type": "text"}, "conflict"),
    ],
)
async def test_a_declaration_that_means_nothing_is_refused(
    api: httpx.AsyncClient, wanted: dict[str, Any], code: str
) -> None:
    known = await declare(api, name="known", type="number")
    assert (await api.post(URL, json=wanted)).json()["code"] == code
    patched = await api.patch(f"{URL}/{known['attribute_id']}", json={"options": ["x"]})
    assert patched.json()["code"] == "invalid-input"
