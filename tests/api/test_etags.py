"""Nobody overwrites what they haven't seen: ETag, If-Match, If-None-Match."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api.etags import READ_BY_CHANGE
from core.store import tenants
from tests.api.conftest import Account
from tests.api.test_authentication import make_user, operations
from tests.api.test_campaign_series import make_series
from tests.api.test_campaigns import Admin
from tests.api.test_template_drafts import draft
from tests.api.test_webhook_endpoints import make_id


async def test_a_read_has_a_tag_and_whoever_has_it_is_not_sent_the_same_again(
    api: httpx.AsyncClient,
) -> None:
    first = await api.get("/v1/tenant")
    tag = first.headers["etag"]
    assert tag.startswith('"')
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = await api.get("/v1/tenant", headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    await api.patch("/v1/tenant", json={"name": "New name"})
    changed = await api.get("/v1/tenant", headers={"If-None-Match": tag})
    assert (changed.status_code, changed.json()["name"]) == (200, "New name")


async def test_a_change_of_what_somebody_else_changed_meanwhile_is_412_and_changes_nothing(
    api: httpx.AsyncClient,
) -> None:
    old = (await api.get("/v1/tenant")).headers["etag"]
    mine = await api.patch("/v1/tenant", json={"name": "Mine"}, headers={"If-Match": old})
    assert mine.status_code == 200
    theirs = await api.patch("/v1/tenant", json={"name": "Theirs"}, headers={"If-Match": old})
    assert (theirs.status_code, theirs.json()["code"]) == (412, "precondition-failed")
    assert (await api.get("/v1/tenant")).json()["name"] == "Mine"
    # The answer to a change has the tag for the next one; without a condition all may change.
    tag = mine.headers["etag"]
    assert (await api.get("/v1/tenant")).headers["etag"] == tag
    for condition in ({"If-Match": tag}, {"If-Match": "*"}, {}):
        answer = await api.patch("/v1/tenant", json={"name": "Again"}, headers=condition)
        assert answer.status_code == 200
    weak = {"If-Match": f"W/{answer.headers['etag']}"}
    assert (await api.patch("/v1/tenant", json={"name": "X"}, headers=weak)).status_code == 412


async def test_of_many_changes_of_the_same_version_at_once_one_succeeds(
    api: httpx.AsyncClient,
) -> None:
    changes: dict[str, list[dict[str, Any]]] = {
        "/v1/tenant": [{"marketing_cap_messages": n, "marketing_cap_days": 7} for n in range(1, 9)],
        "/v1/consent-keywords": [
            {"items": [{"source": "word", "value": f"chega{n}x", "action": "opt_out"}]}
            for n in range(8)
        ],
    }
    segment = {"name": "s", "filter": "suppressed"}
    made = (await api.post("/v1/segments", json=segment)).json()["segment_id"]
    changes[f"/v1/segments/{made}"] = [{"name": f"s{n}"} for n in range(8)]
    colour = {"name": "colour", "type": "enum", "options": ["red"]}
    made = (await api.post("/v1/contact-attributes", json=colour)).json()["attribute_id"]
    changes[f"/v1/contact-attributes/{made}"] = [{"options": [f"red {n}"]} for n in range(8)]
    for url, bodies in changes.items():
        method = "PUT" if url == "/v1/consent-keywords" else "PATCH"
        headers = {"If-Match": (await api.get(url)).headers["etag"]}
        answers = await asyncio.gather(
            *(api.request(method, url, json=body, headers=headers) for body in bodies)
        )
        assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7, [
            answer.text for answer in answers
        ]


#: What takes away a thing that can be changed, by what changes it. The list of quiet hours has a
#: test of its own: a rule is taken out of it.
REMOVALS = {
    "remove_user": "change_user",
    "revoke_api_key": "change_api_key",
    "delete_attribute": "change_attribute",
    "delete_segment": "change_segment",
    "delete_campaign_series": "change_campaign_series",
    "delete_webhook_endpoint": "change_webhook_endpoint",
    "delete_template": "edit_template",
    "delete_quiet_hours": "put_quiet_hours",
}
#: What can only be taken away, never changed: there is nothing that somebody could have missed.
NEVER_CHANGED = {"end_session", "delete_media"}


def test_every_change_and_removal_of_something_editable_takes_if_match(app: FastAPI) -> None:
    found = {
        operation["operationId"]
        for method, _, operation in operations(app)
        if method in {"PATCH", "PUT", "DELETE"}
    }
    assert found - NEVER_CHANGED == set(READ_BY_CHANGE)
    for removal, change in REMOVALS.items():
        assert READ_BY_CHANGE[removal] == READ_BY_CHANGE[change]


async def test_nothing_is_taken_away_that_somebody_has_changed_meanwhile(
    api: httpx.AsyncClient, admin: Admin, operator: tenants.Connection, tenant: Account
) -> None:
    # The last owner stays: somebody else must be one.
    make_user(operator, tenant, "owner")
    things = await changeable(api, admin, operator, tenant, role="viewer")
    for removal, change in REMOVALS.items():
        if removal == "delete_quiet_hours":
            continue
        url, method, body = things[change]
        old = (await api.get(url)).headers["etag"]
        changed = await api.request(method, url, json=body)
        assert changed.status_code == 200, (removal, changed.text)
        stale = await api.delete(url, headers={"If-Match": old})
        assert (stale.status_code, stale.json()["code"]) == (412, "precondition-failed"), removal
        assert (await api.get(url)).json() == changed.json(), removal
        gone = await api.delete(url, headers={"If-Match": changed.headers["etag"]})
        assert gone.status_code == 204, (removal, gone.text)
        after = await api.get(url)
        assert after.status_code == 404 or after.json() != changed.json(), removal


async def changeable(
    api: httpx.AsyncClient,
    admin: Admin,
    operator: tenants.Connection,
    tenant: Account,
    role: str = "owner",
) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Address, method and a change of everything that can be changed, by the operation."""
    person = make_user(operator, tenant, role)
    key = (await api.post("/v1/api-keys", json={"name": "k", "scopes": ["tenant:read"]})).json()
    endpoint = await make_id(api)
    series, _ = await make_series(api, admin, tenant)
    made = (await api.get(series)).json()
    wanted = {
        "name": "Offer",
        "phone_number_id": tenant.phone_number_id,
        "template_id": made["template_id"],
        "list_id": made["list_id"],
        "parameters": {"1": {"attribute": "name"}},
    }
    campaign = (await api.post("/v1/campaigns", json=wanted)).json()["campaign_id"]
    parts = draft(tenant)
    template = (await api.post("/v1/templates", json=parts)).json()["template_id"]
    other = {"name": "Other"}
    colour = {"name": "colour", "type": "enum", "options": ["red"]}
    attribute = (await api.post("/v1/contact-attributes", json=colour)).json()["attribute_id"]
    segment = {"name": "s", "filter": "suppressed"}
    segment_id = (await api.post("/v1/segments", json=segment)).json()["segment_id"]
    quiet = {"country": "BR", "category": "marketing", "quiet_days": [7]}
    words = {"items": [{"source": "word", "value": "basta", "action": "opt_out"}]}
    key_url = f"/v1/api-keys/{key['api_key']['api_key_id']}"
    return {
        "change_tenant": ("/v1/tenant", "PATCH", other),
        "change_user": (f"/v1/users/{person}", "PATCH", other),
        "change_api_key": (key_url, "PATCH", other),
        "change_attribute": (
            f"/v1/contact-attributes/{attribute}",
            "PATCH",
            {"options": ["red", "blue"]},
        ),
        "change_segment": (f"/v1/segments/{segment_id}", "PATCH", other),
        "change_campaign": (f"/v1/campaigns/{campaign}", "PATCH", other),
        "change_campaign_series": (series, "PATCH", other),
        "change_webhook_endpoint": (
            f"/v1/webhook-endpoints/{endpoint}",
            "PATCH",
            {"description": "Other"},
        ),
        "edit_template": (
            f"/v1/templates/{template}",
            "PATCH",
            {"components": parts["components"][1:3]},
        ),
        "put_quiet_hours": ("/v1/quiet-hours", "PUT", quiet),
        "put_consent_keywords": ("/v1/consent-keywords", "PUT", words),
        "put_opt_out_answer": ("/v1/opt-out-answer", "PUT", {"enabled": True}),
    }


async def test_everything_that_can_be_changed_has_a_tag_and_keeps_to_if_match(
    api: httpx.AsyncClient, admin: Admin, operator: tenants.Connection, tenant: Account
) -> None:
    things = await changeable(api, admin, operator, tenant)
    assert set(things) == {name for name in READ_BY_CHANGE if name not in REMOVALS}
    for name, (url, method, change) in things.items():
        read = await api.get(url)
        tag = read.headers["etag"]
        again = await api.get(url, headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b""), name
        stale = await api.request(method, url, json=change, headers={"If-Match": '"0"'})
        assert (stale.status_code, stale.json()["code"]) == (412, "precondition-failed"), name
        assert (await api.get(url)).json() == read.json(), name
        made = await api.request(method, url, json=change, headers={"If-Match": tag})
        assert made.status_code == 200, (name, made.text)
        assert (await api.get(url)).headers["etag"] != tag, name
        late = await api.request(method, url, json=change, headers={"If-Match": tag})
        assert late.status_code == 412, name


async def test_what_moves_by_itself_holds_no_change_up_but_is_read_anew(
    api: httpx.AsyncClient, admin: Admin
) -> None:
    key = (await api.post("/v1/api-keys", json={"name": "k", "scopes": ["tenant:read"]})).json()
    url = f"/v1/api-keys/{key['api_key']['api_key_id']}"
    tag = (await api.get(url)).headers["etag"]
    admin.execute("update app.api_keys set last_used_at = now()")
    read = await api.get(url, headers={"If-None-Match": tag})
    assert read.status_code == 200
    assert read.headers["etag"] != tag
    assert (await api.patch(url, json={"name": "b"}, headers={"If-Match": tag})).status_code == 200


async def test_a_rule_of_quiet_is_not_taken_back_from_a_list_that_has_changed(
    api: httpx.AsyncClient,
) -> None:
    rule = {"country": "BR", "category": "marketing", "quiet_days": [7]}
    await api.put("/v1/quiet-hours", json=rule)
    old = (await api.get("/v1/quiet-hours")).headers["etag"]
    await api.put("/v1/quiet-hours", json=rule | {"country": "AR"})
    which = {"country": "BR", "category": "marketing"}
    stale = await api.delete("/v1/quiet-hours", params=which, headers={"If-Match": old})
    assert stale.status_code == 412
    now = (await api.get("/v1/quiet-hours")).headers["etag"]
    gone = await api.delete("/v1/quiet-hours", params=which, headers={"If-Match": now})
    assert gone.status_code == 204


@pytest.mark.parametrize("value", ["", "5", '"5', '"5" "6"', "*, *", '"5",', 'w/"5"', '"é"'])
async def test_a_condition_that_cannot_be_read_is_refused_and_nothing_is_changed(
    api: httpx.AsyncClient, value: str
) -> None:
    text = value.encode("latin-1")
    answers = [
        await api.patch("/v1/tenant", json={"name": "X"}, headers={b"If-Match": text}),
        await api.get("/v1/tenant", headers={b"If-None-Match": text}),
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed-request")
    assert (await api.get("/v1/tenant")).json()["name"] == "Tenant tenant-a"


async def test_the_table_names_operations_that_exist(app: FastAPI) -> None:
    known = {operation["operationId"] for _, _, operation in operations(app)}
    assert set(READ_BY_CHANGE) | set(READ_BY_CHANGE.values()) <= known
