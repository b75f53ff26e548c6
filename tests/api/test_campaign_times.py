"""Schedules, pauses and ends of campaigns over the API."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import pytest

from api.campaigns import service
from core.clock import utc_now
from tests.api.conftest import Account, as_tenant
from tests.api.test_campaigns import Admin, make_campaign, planned

APPROVE = {"plan_hash": "hash-of-the-plan"}


async def approved(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, **changes: object
) -> tuple[str, str]:
    """Id and URL of an approved campaign with three people."""
    campaign = await make_campaign(api, admin, tenant, **changes)
    planned(admin, tenant, campaign["campaign_id"], 3)
    url = f"/v1/campaigns/{campaign['campaign_id']}"
    assert (await api.post(f"{url}/approve", json=APPROVE)).status_code == 200
    return str(campaign["campaign_id"]), url


def tomorrow(hour: int) -> datetime:
    day = datetime.now(ZoneInfo("America/Sao_Paulo")) + timedelta(days=1)
    return day.replace(hour=hour, minute=0, second=0, microsecond=0)


async def test_a_wall_clock_is_read_in_the_tenants_zone(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    nine = tomorrow(9)
    wall = nine.replace(tzinfo=None).isoformat(timespec="minutes")
    campaign = await make_campaign(api, admin, tenant, scheduled_local=wall)
    assert datetime.fromisoformat(str(campaign["scheduled_at"])) == nine.astimezone(UTC)


async def test_a_scheduled_campaign_is_changed_unscheduled_and_then_launched(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    at = (utc_now() + timedelta(hours=2)).isoformat()
    _, url = await approved(api, admin, tenant, scheduled_at=at)
    assert (await api.get(url)).json()["state"] == "scheduled"
    refused = await api.post(f"{url}/launch")
    assert (refused.status_code, refused.json()["status_now"]) == (409, "scheduled")
    later = tomorrow(15).astimezone(UTC)
    changed = await api.patch(url, json={"scheduled_at": later.isoformat()})
    assert datetime.fromisoformat(changed.json()["scheduled_at"]) == later
    assert changed.json()["status"] == "approved"
    assert (await api.patch(url, json={"scheduled_at": None})).json()["state"] == "approved"
    assert (await api.post(f"{url}/launch")).json()["status"] == "running"
    too_late = await api.patch(url, json={"scheduled_at": at})
    assert (too_late.status_code, too_late.json()["code"]) == (409, "campaign-state")


async def test_another_time_of_local_delivery_needs_another_plan(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    at = (utc_now() + timedelta(hours=48)).isoformat()
    _, url = await approved(api, admin, tenant, scheduled_at=at, local_delivery=True)
    admin.execute("update app.campaigns set planned_at = now()")
    same = await api.patch(url, json={"name": "Another name", "max_lateness_minutes": 10})
    assert (same.json()["status"], same.json()["max_lateness_minutes"]) == ("approved", 10)
    moved = (await api.patch(url, json={"scheduled_local": "2027-01-05T09:00"})).json()
    assert (moved["status"], moved["plan_hash"], moved["approved_at"]) == ("draft", None, None)
    refused = await api.patch(url, json={"scheduled_at": None})
    assert refused.status_code == 422


async def test_a_time_must_be_one_time_and_local_delivery_needs_it(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    _, url = await approved(api, admin, tenant)
    at = (utc_now() + timedelta(hours=2)).isoformat()
    for change in (
        {},
        {"scheduled_at": at, "scheduled_local": "2027-01-05T09:00"},
        {"scheduled_local": "2027-01-05T09:00:00Z"},
        {"scheduled_local": "tomorrow"},
        {"scheduled_local": "2020-01-05T09:00"},
        {"scheduled_at": "2020-01-05T09:00:00Z"},
        {"local_delivery": True},
        {"max_lateness_minutes": 0},
        {"status": "running"},
    ):
        assert (await api.patch(url, json=change)).status_code == 422, change


async def test_a_pause_is_legal_in_every_state_and_goes_back_to_where_it_began(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    campaign_id, url = await approved(api, admin, tenant)
    for state in ("planning", "planned", "approved", "running"):
        admin.execute(
            "update app.campaigns set status = %s,"
            " launched_at = case when %s = 'running' then now() end where campaign_id = %s",
            (state, state, campaign_id),
        )
        for _ in range(2):
            answer = await api.post(f"{url}/pause")
            assert (answer.status_code, answer.json()["status"]) == (200, "paused")
        assert (await api.post(f"{url}/resume")).json()["status"] == state


async def test_who_resumes_after_the_time_wants_it_to_start(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    at = (utc_now() + timedelta(hours=2)).isoformat()
    _, url = await approved(api, admin, tenant, scheduled_at=at)
    await api.post(f"{url}/pause")
    assert (await api.post(f"{url}/resume")).json()["state"] == "scheduled"
    await api.post(f"{url}/pause")
    admin.execute("update app.campaigns set scheduled_at = now() - interval '9 hours'")
    resumed = (await api.post(f"{url}/resume")).json()
    assert resumed["status"] == "running"
    assert resumed["launched_at"] is not None


async def test_every_state_can_be_cancelled_and_cancelled_again_also_when_it_is_over(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    campaign_id, url = await approved(api, admin, tenant)
    for state in ("draft", "planning", "plan_failed", "planned", "approved", "running", "paused"):
        admin.execute(
            "update app.campaigns set status = %s, finished_at = null where campaign_id = %s",
            (state, campaign_id),
        )
        for _ in range(2):
            assert (await api.post(f"{url}/cancel")).json()["status"] == "cancelled"
            admin.execute("update app.campaigns set finished_at = now()")
    admin.execute("update app.campaigns set status = 'running', cancelled_at = null")
    assert (await api.post(f"{url}/cancel")).status_code == 409


async def test_a_cancel_answers_in_time_and_says_what_is_left_to_the_settler(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, url = await approved(api, admin, tenant)
    monkeypatch.setattr(service, "_CANCEL_BATCH", 2)
    monkeypatch.setattr(service, "_CANCEL_SECONDS", 0.0)
    answer = (await api.post(f"{url}/cancel")).json()
    assert (answer["cancelled_messages"], answer["remaining"]) == (2, 1)
    answer = (await api.post(f"{url}/cancel")).json()
    assert (answer["cancelled_messages"], answer["remaining"]) == (1, 0)


async def test_lists_show_and_filter_by_what_the_rows_say(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, other: Account
) -> None:
    campaign_id, url = await approved(api, admin, tenant)
    await api.post(f"{url}/launch")

    async def found(state: str, headers: dict[str, str] | None = None) -> list[str]:
        page = await api.get("/v1/campaigns", params={"state": state}, headers=headers)
        return [item["campaign_id"] for item in page.json()["items"]]

    assert await found("running") == [campaign_id]
    admin.execute("update app.messages set state = 'delivered'")
    assert await found("finished") == [campaign_id]
    assert await found("running") == []
    admin.execute(
        "update app.messages set state = 'failed' where message_id in"
        " (select message_id from app.messages limit 1)"
    )
    assert await found("finished_with_failures") == [campaign_id]
    assert await found("finished_with_failures", headers=as_tenant(other)) == []
    assert (await api.get(url)).json()["state"] == "finished_with_failures"
    assert (await api.post(f"{url}/pause")).status_code == 200
    assert (await api.get("/v1/campaigns", params={"state": "done"})).status_code == 422


async def test_a_changed_template_is_planned_again_or_accepted_but_never_overlooked(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    campaign_id, url = await approved(api, admin, tenant)
    pin = "update app.campaigns set template_version_hash = 'v1', category = 'marketing'"
    admin.execute(pin)
    admin.execute("update app.templates set version_hash = 'v2'")
    admin.execute(
        "update app.campaigns set status = 'paused', paused_from = 'approved',"
        " status_reason = 'template_changed', plan_stale_reason = 'template_changed'"
    )
    refused = await api.post(f"{url}/resume")
    assert (refused.status_code, refused.json()["code"]) == (409, "template-changed")
    assert refused.json()["template_version_hash"] == "v2"
    accept = {"accept_template_version_hash": "v2"}
    # Nothing of it has gone out: who approved the plan has not seen that text.
    assert (await api.post(f"{url}/resume", json=accept)).status_code == 409
    assert (await api.post(f"{url}/plan")).json()["status"] == "planning"
    admin.execute(
        "update app.campaigns set status = 'paused', paused_from = 'running', launched_at = now()"
    )
    wrong = {"accept_template_version_hash": "v3"}
    assert (await api.post(f"{url}/resume", json=wrong)).status_code == 409
    resumed = (await api.post(f"{url}/resume", json=accept)).json()
    assert (resumed["status"], resumed["template_version_hash"]) == ("running", "v2")
    await api.post(f"{url}/pause")
    admin.execute("update app.templates set category = 'utility'")
    assert (await api.post(f"{url}/resume", json=accept)).status_code == 409
    assert campaign_id


async def test_a_stale_plan_is_neither_approved_nor_launched(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    campaign = await make_campaign(api, admin, tenant)
    planned(admin, tenant, campaign["campaign_id"], 1)
    admin.execute("update app.campaigns set plan_stale_reason = 'template_changed'")
    url = f"/v1/campaigns/{campaign['campaign_id']}"
    assert (await api.get(url)).json()["plan_stale_reason"] == "template_changed"
    for step, body, status in (("approve", APPROVE, "planned"), ("launch", None, "approved")):
        admin.execute("update app.campaigns set status = %s", (status,))
        answer = await api.post(f"{url}/{step}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "plan-changed")
    assert (await api.post(f"{url}/plan")).status_code == 409
    admin.execute("update app.campaigns set status = 'planned'")
    assert (await api.post(f"{url}/plan")).json()["plan_stale_reason"] is None


async def waiting(api: httpx.AsyncClient, url: str) -> dict[str, int | None]:
    found = (await api.get(url)).json()["waiting_because"]
    return {item["reason"]: item["messages"] for item in found}


async def test_a_campaign_says_why_its_messages_wait(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    at = (utc_now() + timedelta(hours=2)).isoformat()
    _, url = await approved(api, admin, tenant, scheduled_at=at)
    assert await waiting(api, url) == {"scheduled": None, "its_turn": 3}
    await api.patch(url, json={"scheduled_at": None})
    assert await waiting(api, url) == {"not_launched": None, "its_turn": 3}
    await api.post(f"{url}/launch")
    assert await waiting(api, url) == {"its_turn": 3}
    one = "where message_id in (select message_id from app.messages order by message_id limit 1)"
    admin.execute(f"update app.messages set wave = 1 {one}")
    assert await waiting(api, url) == {"its_turn": 2, "wave_not_released": 1}
    admin.execute("update app.messages set not_before = now() + interval '1 hour' where wave = 0")
    assert await waiting(api, url) == {"retry_later": 2, "wave_not_released": 1}
    admin.execute("update app.messages set throttle_count = 1")
    assert await waiting(api, url) == {"throttled": 2, "wave_not_released": 1}
    now = datetime.now(ZoneInfo("America/Sao_Paulo"))
    rule = {
        "country": "*",
        "category": "marketing",
        "starts_at": f"{now - timedelta(hours=1):%H:%M}",
        "ends_at": f"{now + timedelta(hours=1):%H:%M}",
    }
    assert (await api.put("/v1/quiet-hours", json=rule)).status_code == 200
    assert await waiting(api, url) == {"quiet_hours": 2, "wave_not_released": 1}
    admin.execute("update app.phone_numbers set paused_until = now() + interval '1 hour'")
    admin.execute("update app.whatsapp_accounts set blocked_reason = 'x'")
    admin.execute("update app.templates set halted_reason = 'x'")
    admin.execute(
        "insert into ops.switches (switch_id, scope, tenant_id, reason, set_by, expires_at)"
        " select gen_random_uuid(), 'tenant', tenant_id, 'x', 'x', now() + interval '1 hour'"
        " from app.tenants where slug = 'tenant-a'"
    )
    await api.post(f"{url}/pause")
    found = await waiting(api, url)
    assert list(found) == [
        "switch",
        "paused",
        "account_blocked",
        "number_paused",
        "template_halted",
    ]
    assert found["template_halted"] == 3
    admin.execute("update app.messages set state = 'delivered'")
    assert await waiting(api, url) == {}
