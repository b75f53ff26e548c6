"""Webhook endpoints as their owner sees them: made, changed, rotated, replayed."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import psycopg
from fastapi import FastAPI

from core.domain.ids import TenantId, new_id
from core.domain.tenant_events import TenantEventType
from core.settings import Settings
from core.store.endpoints import open_secret
from tests.api.conftest import Account, as_tenant
from tests.api.test_campaigns import make_campaign

Admin = psycopg.Connection[tuple[Any, ...]]
PATH = "/v1/webhook-endpoints"
#: An address, so that no test asks DNS.
URL = "https://8.8.8.8/hooks"


async def make(api: httpx.AsyncClient, **fields: object) -> dict[str, Any]:
    answer = await api.post(PATH, json={"url": URL, **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def make_id(api: httpx.AsyncClient, **fields: object) -> str:
    return str((await make(api, **fields))["endpoint"]["endpoint_id"])


def add_deliveries(
    admin: Admin, tenant: Account, endpoint_id: str, *states: str, days_ago: float = 1
) -> list[UUID]:
    """Deliveries that are over, one after the other."""
    ids = []
    for number, state in enumerate(states):
        at = datetime.now(UTC) - timedelta(days=days_ago) + timedelta(seconds=number)
        event_id = new_id(at)
        ids.append(event_id)
        admin.execute(
            "insert into app.tenant_events values (%s, %s, 'campaign.started', %s, '{}')",
            (tenant.tenant_id, event_id, at),
        )
        admin.execute(
            "insert into app.webhook_deliveries (tenant_id, endpoint_id, event_id, event_type,"
            " state, attempts) values (%s, %s, %s, 'campaign.started', %s, 3)",
            (tenant.tenant_id, endpoint_id, event_id, state),
        )
    return ids


def waiting(admin: Admin) -> list[UUID]:
    rows = admin.execute("select event_id from app.webhook_queue order by event_id").fetchall()
    return [row[0] for row in rows]


async def test_the_secret_is_shown_once_and_sealed_at_rest(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    made = await make(api, event_types=["campaign.started"], description="orders")
    secret, endpoint_id = made["secret"], made["endpoint"]["endpoint_id"]
    assert secret.startswith("whsec_")
    for answer in (await api.get(PATH), await api.get(f"{PATH}/{endpoint_id}")):
        assert answer.status_code == 200
        assert secret not in answer.text
    rows = admin.execute("select secret_encrypted from app.webhook_secrets").fetchall()
    (sealed,) = rows[0]
    assert secret.encode() not in sealed
    opened = open_secret(TenantId(tenant.tenant_id), UUID(endpoint_id), sealed)
    assert opened == secret


HOSTILE = (
    "http://8.8.8.8/",
    "https://127.0.0.1/",
    "https://169.254.169.254/latest/meta-data",
    "https://[::ffff:10.0.0.1]/",
    "https://localhost/",
    "https://8.8.8.8:22/",
    "https://user:password@8.8.8.8/",
    "https://2130706433/",
)


async def test_an_address_of_ours_is_refused_when_made_and_when_changed(
    api: httpx.AsyncClient,
) -> None:
    endpoint_id = await make_id(api)
    for url in HOSTILE:
        for answer in (
            await api.post(PATH, json={"url": url}),
            await api.patch(f"{PATH}/{endpoint_id}", json={"url": url}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (422, "forbidden-destination")
            assert answer.json()["errors"][0]["pointer"] == "/url"
    assert (await api.get(f"{PATH}/{endpoint_id}")).json()["url"] == URL


async def test_what_is_not_known_is_refused(api: httpx.AsyncClient) -> None:
    wrong: list[dict[str, object]] = [
        {"event_types": []},
        {"event_types": ["nothing.known"]},
        {"event_types": ["*", "message.read"]},
        {"url": "x" * 3_000},
        {"url": None},
        {"secret": "whsec_mine"},
    ]
    for fields in wrong:
        answer = await api.post(PATH, json={"url": URL, **fields})
        assert answer.status_code == 422, fields
    assert (await api.get(PATH)).json()["items"] == []


async def test_every_type_there_is_can_be_asked_for(api: httpx.AsyncClient) -> None:
    types = [each.value for each in TenantEventType]
    made = await make(api, event_types=[*types, types[0]])
    assert made["endpoint"]["event_types"] == sorted(types)


async def test_a_tenant_has_so_many_endpoints_and_no_more(
    api: httpx.AsyncClient, settings: Settings
) -> None:
    ids = [await make_id(api) for _ in range(settings.webhook_max_endpoints)]
    answer = await api.post(PATH, json={"url": URL})
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert (await api.delete(f"{PATH}/{ids[0]}")).status_code == 204
    await make(api)


async def test_a_change_changes_what_it_names_only(api: httpx.AsyncClient) -> None:
    endpoint_id = await make_id(api, description="first", event_types=["message.read"])
    path = f"{PATH}/{endpoint_id}"
    changed = (await api.patch(path, json={"event_types": ["*"]})).json()
    assert (changed["event_types"], changed["description"]) == (["*"], "first")
    changed = (await api.patch(path, json={"description": None})).json()
    assert changed["description"] is None
    changed = (await api.patch(path, json={"enabled": False})).json()
    assert (changed["enabled"], changed["disabled_reason"]) == (False, "by_owner")
    assert (await api.patch(path, json={})).json() == changed | {
        "updated_at": (await api.get(path)).json()["updated_at"]
    }


async def test_switching_on_again_forgives_and_listens_from_now(
    api: httpx.AsyncClient, admin: Admin
) -> None:
    endpoint_id = await make_id(api)
    admin.execute(
        "update app.webhook_endpoints set enabled = false, disabled_reason = 'failing',"
        " disabled_at = now(), failing_since = now() - interval '6 days',"
        " listens_from = now() - interval '9 days'"
    )
    path = f"{PATH}/{endpoint_id}"
    assert (await api.post(f"{path}/test")).json()["code"] == "conflict"
    answer = (await api.patch(path, json={"enabled": True})).json()
    assert (answer["enabled"], answer["disabled_reason"], answer["failing_since"]) == (
        True,
        None,
        None,
    )
    rows = admin.execute(
        "select listens_from > now() - interval '1 minute' from app.webhook_endpoints"
    ).fetchall()
    assert rows == [(True,)]


async def test_a_rotated_secret_overlaps_with_the_one_before(
    api: httpx.AsyncClient, admin: Admin
) -> None:
    made = await make(api)
    path = f"{PATH}/{made['endpoint']['endpoint_id']}/rotate-secret"
    rotated = (await api.post(path)).json()
    assert rotated["secret"] != made["secret"]
    until = datetime.fromisoformat(rotated["endpoint"]["previous_secret_until"])
    left = until - datetime.now(UTC)
    assert timedelta(hours=23, minutes=50) < left <= timedelta(hours=24)
    at_once = (await api.post(path, json={"overlap_hours": 0})).json()
    assert at_once["endpoint"]["previous_secret_until"] is None
    rows = admin.execute(
        "select count(*) from app.webhook_secrets where expires_at is null or expires_at > now()"
    ).fetchall()
    assert rows == [(1,)]
    assert (await api.post(path, json={"overlap_hours": 169})).status_code == 422


async def test_a_test_event_is_queued_once_for_a_key(api: httpx.AsyncClient, admin: Admin) -> None:
    endpoint_id = await make_id(api, event_types=["message.read"])
    path = f"{PATH}/{endpoint_id}"
    headers = {"Idempotency-Key": "k1"}
    first = await api.post(f"{path}/test", headers=headers)
    again = await api.post(f"{path}/test", headers=headers)
    assert first.status_code == 201
    assert first.json() == again.json()
    sent = first.json()
    assert waiting(admin) == [UUID(sent["event_id"])]
    for name in (sent["event_id"], sent["webhook_id"]):
        delivery = (await api.get(f"{path}/deliveries/{name}")).json()
        assert delivery["body"]["type"] == "webhook.test"
        assert delivery["body"]["id"] == sent["webhook_id"]
        assert (delivery["state"], delivery["tries"]) == ("pending", [])


async def test_deliveries_are_listed_newest_first_and_filtered(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    endpoint_id = await make_id(api)
    old = add_deliveries(admin, tenant, endpoint_id, "failed", "delivered", days_ago=3)
    new = add_deliveries(admin, tenant, endpoint_id, "delivered", "failed", "failed")
    path = f"{PATH}/{endpoint_id}/deliveries"

    async def listed(**query: object) -> list[str]:
        found: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            answer = await api.get(path, params={"limit": 2, **query, **cursor})  # type: ignore[dict-item]
            assert answer.status_code == 200, answer.text
            found += [item["event_id"] for item in answer.json()["items"]]
            if answer.json()["next_cursor"] is None:
                return found
            cursor = {"cursor": answer.json()["next_cursor"]}

    everything = [str(each) for each in reversed(old + new)]
    assert await listed() == everything
    assert await listed(state="failed") == [str(each) for each in (new[2], new[1], old[0])]
    assert await listed(event_type="message.read") == []
    day_ago = (datetime.now(UTC) - timedelta(days=2)).isoformat()
    assert await listed(created_from=day_ago) == [str(each) for each in reversed(new)]
    assert await listed(created_to=day_ago) == [str(each) for each in reversed(old)]


async def test_one_delivery_is_replayed_with_its_own_id_and_not_twice(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    endpoint_id = await make_id(api)
    (event_id,) = add_deliveries(admin, tenant, endpoint_id, "delivered")
    path = f"{PATH}/{endpoint_id}/deliveries/{event_id}/replay"
    for _ in range(2):
        answer = await api.post(path)
        assert (answer.status_code, answer.json()["state"]) == (200, "pending")
        assert answer.json()["next_attempt_at"] is not None
    assert waiting(admin) == [event_id]


async def test_a_replay_by_time_pages_through_everything_and_skips_nothing(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    endpoint_id = await make_id(api)
    other_id = await make_id(api)
    failed = add_deliveries(admin, tenant, endpoint_id, *["failed"] * 7, days_ago=2)
    add_deliveries(admin, tenant, endpoint_id, "delivered", days_ago=2)
    add_deliveries(admin, tenant, endpoint_id, "failed", days_ago=5)
    add_deliveries(admin, tenant, other_id, "failed", days_ago=2)
    path = f"{PATH}/{endpoint_id}/replay"
    wanted: dict[str, object] = {
        "from": (datetime.now(UTC) - timedelta(days=3)).isoformat(),
        "limit": 3,
    }
    pages = []
    while True:
        answer = await api.post(path, json=wanted)
        assert answer.status_code == 202, answer.text
        pages.append(answer.json()["replayed"])
        if answer.json()["continue_after"] is None:
            break
        wanted["after"] = answer.json()["continue_after"]
    assert pages == [3, 3, 1]
    assert waiting(admin) == failed
    del wanted["after"]
    assert (await api.post(path, json=wanted)).json() == {"replayed": 0, "continue_after": None}


async def test_a_replay_reaches_two_weeks_back(api: httpx.AsyncClient) -> None:
    endpoint_id = await make_id(api)
    now = datetime.now(UTC)
    for days_ago, until_days_ago, status in ((15.0, 0.0, 422), (1.0, 2.0, 422), (13.9, 0.0, 202)):
        wanted = {
            "from": (now - timedelta(days=days_ago)).isoformat(),
            "until": (now - timedelta(days=until_days_ago)).isoformat(),
        }
        answer = await api.post(f"{PATH}/{endpoint_id}/replay", json=wanted)
        assert answer.status_code == status


async def test_a_deleted_endpoint_is_gone_for_its_owner_at_once(
    api: httpx.AsyncClient, admin: Admin
) -> None:
    endpoint_id = await make_id(api)
    path = f"{PATH}/{endpoint_id}"
    assert (await api.delete(path)).status_code == 204
    for method, suffix in (
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/test"),
        ("POST", "/rotate-secret"),
        ("GET", "/deliveries"),
    ):
        assert (await api.request(method, path + suffix)).status_code == 404
    assert (await api.get(PATH)).json()["items"] == []
    assert admin.execute("select count(*) from app.webhook_secrets").fetchall() == [(0,)]


async def test_who_may_read_may_not_manage(
    app: FastAPI, api: httpx.AsyncClient, tenant: Account
) -> None:
    wanted = {"name": "reader", "scopes": ["webhooks:read"]}
    reader = (await api.post("/v1/api-keys", json=wanted)).json()["secret"]
    headers = {"Authorization": f"Bearer {reader}"}
    assert (await api.get(PATH, headers=headers)).status_code == 200
    answer = await api.post(PATH, json={"url": URL}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "not-allowed")


async def test_a_change_of_a_campaign_is_told_to_its_own_tenant(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, other: Account
) -> None:
    """The API's own role writes the event, under row-level security, with the change."""
    campaign = await make_campaign(api, admin, tenant)
    await make(api)
    await api.post(PATH, json={"url": URL}, headers=as_tenant(other))
    answer = await api.post(f"/v1/campaigns/{campaign['campaign_id']}/plan")
    assert answer.status_code == 202, answer.text
    rows = admin.execute("select tenant_id, event_type from app.tenant_events").fetchall()
    assert rows == [(tenant.tenant_id, "campaign.planning")]
