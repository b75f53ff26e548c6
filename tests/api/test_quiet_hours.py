"""Quiet hours over the API."""

import httpx
import pytest

from tests.api.conftest import Account, as_tenant

RULE = {
    "country": "BR",
    "category": "marketing",
    "starts_at": "20:00",
    "ends_at": "08:00",
    "quiet_days": [7],
}
URL = "/v1/quiet-hours"


async def test_a_rule_is_written_read_replaced_and_taken_back(
    api: httpx.AsyncClient, tenant: Account
) -> None:
    assert (await api.get(URL)).json() == {"timezone": "America/Sao_Paulo", "items": []}
    answer = await api.put(URL, json=RULE)
    assert answer.status_code == 200, answer.text
    assert {key: answer.json()[key] for key in RULE} == RULE
    exception = await api.put(URL, json={"country": "*", "category": "authentication"})
    assert exception.json()["starts_at"] is None
    await api.put(URL, json=RULE | {"starts_at": "21:30"})
    items = (await api.get(URL)).json()["items"]
    assert [(item["country"], item["starts_at"]) for item in items] == [
        ("BR", "21:30"),
        ("*", None),
    ]
    place = {"country": "BR", "category": "marketing"}
    assert (await api.delete(URL, params=place)).status_code == 204
    assert (await api.delete(URL, params=place)).status_code == 404


async def test_another_tenants_rules_are_out_of_sight_and_reach(
    api: httpx.AsyncClient, tenant: Account, other: Account
) -> None:
    await api.put(URL, json=RULE)
    assert (await api.get(URL, headers=as_tenant(other))).json()["items"] == []
    place = {"country": "BR", "category": "marketing"}
    answer = await api.delete(URL, params=place, headers=as_tenant(other))
    assert answer.status_code == 404
    assert len((await api.get(URL)).json()["items"]) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"ends_at": None},
        {"ends_at": "20:00"},
        {"starts_at": "8"},
        {"starts_at": 2000},
        {"starts_at": "25:00"},
        {"quiet_days": [1, 2, 3, 4, 5, 6, 7]},
        {"quiet_days": [0]},
        {"quiet_days": [7, 7]},
        {"country": "Brazil"},
        {"category": "spam"},
        {"zone": "UTC"},
    ],
)
async def test_a_rule_that_says_nothing_or_never_ends_is_refused(
    api: httpx.AsyncClient, change: dict[str, object]
) -> None:
    assert (await api.put(URL, json=RULE | change)).status_code == 422
