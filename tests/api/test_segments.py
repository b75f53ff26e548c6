"""Segments: kept, tried, and taken by campaigns where these take a list."""

from typing import Any

import httpx
import psycopg
import pytest

from tests.api.conftest import Account
from tests.api.test_campaigns import make_template

Admin = psycopg.Connection[tuple[object, ...]]
URL = "/v1/segments"


async def save(api: httpx.AsyncClient, phone: str, **attributes: str) -> str:
    answer = await api.post("/v1/contacts", json={"phone": phone, "attributes": attributes})
    return str(answer.json()["contact"]["contact_id"])


async def preview(api: httpx.AsyncClient, text: str) -> dict[str, Any]:
    answer = await api.post(f"{URL}/preview", json={"filter": text})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_preview_counts_and_shows_nothing_personal(api: httpx.AsyncClient) -> None:
    for name, personal in (("store", False), ("cpf", True)):
        await api.post(
            "/v1/contact-attributes", json={"name": name, "type": "text", "personal": personal}
        )
    ids = [
        await save(api, "+5511987654321", store="Mooca", cpf="1", note="x"),
        await save(api, "+5511987654322", store="Mooca"),
        await save(api, "+5511987654323", store="Tatui"),
    ]
    seen = await preview(api, 'attribute.store = "Mooca"')
    assert seen["people"] == 2
    assert [person["contact_id"] for person in seen["sample"]] == [ids[1], ids[0]]
    assert [person["attributes"] for person in seen["sample"]] == [{"store": "Mooca"}] * 2
    assert "98765" not in str(seen)
    said = {"contact_id": ids[0], "purpose": "marketing", "action": "granted", "channel": "x"}
    await api.post("/v1/consents", json=said | {"text_version": "1"})
    text = 'consent.marketing is granted and country = "BR" and created within 1 days'
    assert [person["contact_id"] for person in (await preview(api, text))["sample"]] == [ids[0]]
    assert (await preview(api, "not suppressed"))["people"] == 3


async def test_a_segment_is_kept_changed_and_deleted(api: httpx.AsyncClient) -> None:
    wanted = {"name": "Silent", "filter": "not last_inbound within 30 days"}
    made = await api.post(URL, json=wanted)
    assert made.status_code == 201
    assert (await api.post(URL, json=wanted)).json()["code"] == "conflict"
    address = f"{URL}/{made.json()['segment_id']}"
    assert (await api.get(address)).json() == made.json()
    changed = await api.patch(address, json={"filter": "suppressed"})
    assert (changed.json()["name"], changed.json()["filter"]) == ("Silent", "suppressed")
    assert (await api.get(URL)).json()["items"] == [changed.json()]
    other = await api.post(URL, json=wanted | {"name": "Other"})
    taken = await api.patch(address, json={"name": other.json()["name"]})
    assert taken.json()["code"] == "conflict"
    assert (await api.delete(address)).status_code == 204
    assert (await api.get(address)).status_code == 404


@pytest.mark.parametrize("text", ["", "drop table", 'attribute.a = "', "x" * 4_001])
async def test_a_bad_filter_is_refused_where_it_goes_wrong(
    api: httpx.AsyncClient, text: str
) -> None:
    for answer in (
        await api.post(URL, json={"name": "x", "filter": text}),
        await api.post(f"{URL}/preview", json={"filter": text}),
    ):
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/filter"


async def test_a_campaign_takes_a_segment_where_it_takes_a_list(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    segment = (await api.post(URL, json={"name": "All", "filter": "not suppressed"})).json()
    template_id = make_template(admin, tenant)
    wanted = {
        "name": "Offer",
        "phone_number_id": tenant.phone_number_id,
        "template_id": str(template_id),
        "segment_id": segment["segment_id"],
        "parameters": {"1": {"attribute": "name"}},
    }
    made = await api.post("/v1/campaigns", json=wanted)
    assert made.status_code == 201, made.text
    campaign = made.json()
    assert campaign["segment_id"] == segment["segment_id"]
    [shown] = (await api.get("/v1/campaigns")).json()["items"]
    assert shown["segment_id"] == segment["segment_id"]
    frozen = (await api.get(f"/v1/lists/{campaign['list_id']}")).json()
    assert frozen["members"] == 0
    assert (await api.get("/v1/lists")).json()["items"] == []
    # Nobody else's campaign is planned over it.
    other = {**wanted, "list_id": campaign["list_id"]}
    both = await api.post("/v1/campaigns", json=other)
    assert both.json()["errors"][0]["pointer"] == "/segment_id"
    other.pop("segment_id")
    theirs = await api.post("/v1/campaigns", json=other)
    assert theirs.json()["errors"][0]["pointer"] == "/list_id"
    neither = {name: value for name, value in wanted.items() if name != "segment_id"}
    assert (await api.post("/v1/campaigns", json=neither)).status_code == 422
    unknown = wanted | {"segment_id": campaign["campaign_id"]}
    assert (await api.post("/v1/campaigns", json=unknown)).status_code == 422
    deleted = await api.delete(f"{URL}/{segment['segment_id']}")
    assert deleted.json()["code"] == "conflict"
