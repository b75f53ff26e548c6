"""A campaign's life as its tenant steers it."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import psycopg
import pytest
from psycopg.types.json import Jsonb

from core.domain.ids import new_id
from tests.api.conftest import Account

Admin = psycopg.Connection[tuple[object, ...]]
BODY = [{"type": "BODY", "text": "Hello {{1}}"}]


def make_template(
    admin: Admin, account: Account, *, category: str = "marketing", status: str = "APPROVED"
) -> UUID:
    template_id = new_id()
    admin.execute(
        "insert into app.templates (tenant_id, template_id, waba_id, meta_template_id, name, "
        "language, category, status, components, version_hash, synced_at) "
        "values (%s, %s, %s, '1', %s, 'pt_BR', %s, %s, %s, 'v1', now())",
        (
            account.tenant_id,
            template_id,
            account.waba_id,
            f"offer_{category}_{status.lower()}",
            category,
            status,
            Jsonb(BODY),
        ),
    )
    return template_id


async def make_campaign(
    api: httpx.AsyncClient, admin: Admin, account: Account, **changes: object
) -> dict[str, object]:
    template_id = make_template(admin, account)
    list_id = (await api.post("/v1/lists", json={"name": "news"})).json()["list_id"]
    wanted = {
        "name": "Offer",
        "phone_number_id": account.phone_number_id,
        "template_id": str(template_id),
        "list_id": list_id,
        "parameters": {"1": {"attribute": "name"}},
    }
    answer = await api.post("/v1/campaigns", json=wanted | changes)
    assert answer.status_code == 201, answer.text
    found: dict[str, object] = answer.json()
    return found


def planned(admin: Admin, account: Account, campaign_id: object, people: int) -> None:
    """What the planner leaves behind: rows for everybody, a plan and its hash."""
    admin.execute(
        "with people as (insert into app.contacts (tenant_id, contact_id, address, pseudonym) "
        "select %(t)s, app.new_uuid7(), '+55119' || (70000000 + n), gen_random_uuid() "
        "from generate_series(1, %(n)s) as n returning contact_id, address, pseudonym), "
        "rows as (insert into app.messages (tenant_id, message_id, campaign_id, contact_id, "
        "contact_pseudonym, phone_number_id, waba_id, address, kind, category, content, "
        "template_id) "
        "select %(t)s, app.new_uuid7(), %(c)s, contact_id, pseudonym, %(p)s, %(w)s, address, "
        "'template', 'marketing', '{}', (select template_id from app.campaigns "
        "where campaign_id = %(c)s) from people returning contact_id, message_id) "
        "insert into app.campaign_recipients select %(t)s, %(c)s, contact_id, message_id from rows",
        {
            "t": account.tenant_id,
            "c": campaign_id,
            "n": people,
            "p": account.phone_number_id,
            "w": account.waba_id,
        },
    )
    admin.execute(
        "update app.campaigns set status = 'planned', plan = '{\"audience\": 3}', "
        "plan_hash = 'hash-of-the-plan' where campaign_id = %s",
        (campaign_id,),
    )


async def test_a_campaign_goes_from_draft_to_running_and_pauses_and_resumes(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    campaign = await make_campaign(api, admin, tenant)
    url = f"/v1/campaigns/{campaign['campaign_id']}"
    assert campaign["status"] == "draft"
    answer = await api.post(f"{url}/plan")
    assert (answer.status_code, answer.json()["status"]) == (202, "planning")
    planned(admin, tenant, campaign["campaign_id"], 3)
    approve = {"plan_hash": "hash-of-the-plan"}
    for step, body, status in (
        ("approve", approve, "approved"),
        ("launch", None, "running"),
        ("pause", None, "paused"),
        ("resume", None, "running"),
    ):
        answer = await api.post(f"{url}/{step}", json=body)
        assert (answer.status_code, answer.json()["status"]) == (200, status), answer.text
    assert answer.json()["approved_by"].startswith("api_key:")


async def test_only_the_plan_that_was_read_is_approved(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    campaign = await make_campaign(api, admin, tenant)
    planned(admin, tenant, campaign["campaign_id"], 1)
    url = f"/v1/campaigns/{campaign['campaign_id']}"
    answer = await api.post(f"{url}/approve", json={"plan_hash": "hash-of-another"})
    assert (answer.status_code, answer.json()["code"]) == (409, "plan-changed")
    assert answer.json()["plan_hash"] == "hash-of-the-plan"
    assert (await api.get(url)).json()["status"] == "planned"


@pytest.mark.parametrize("step", ["approve", "launch", "pause", "resume"])
async def test_a_step_out_of_turn_is_refused_and_names_the_state(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, step: str
) -> None:
    campaign = await make_campaign(api, admin, tenant)
    url = f"/v1/campaigns/{campaign['campaign_id']}"
    body = {"plan_hash": "whatever"} if step == "approve" else None
    answer = await api.post(f"{url}/{step}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "campaign-state")
    assert answer.json()["status_now"] == "draft"
    assert (await api.get(url)).json()["status"] == "draft"


async def test_of_many_launches_at_once_one_succeeds(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    campaign = await make_campaign(api, admin, tenant)
    planned(admin, tenant, campaign["campaign_id"], 1)
    url = f"/v1/campaigns/{campaign['campaign_id']}"
    await api.post(f"{url}/approve", json={"plan_hash": "hash-of-the-plan"})
    answers = await asyncio.gather(*(api.post(f"{url}/launch") for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7


async def test_cancel_takes_back_what_nobody_has_claimed_with_one_event_each(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    campaign = await make_campaign(api, admin, tenant)
    campaign_id = campaign["campaign_id"]
    planned(admin, tenant, campaign_id, 10)
    admin.execute(
        "update app.messages set state = 'sending' where message_id in "
        "(select message_id from app.messages limit 3)"
    )
    url = f"/v1/campaigns/{campaign_id}"
    answer = await api.post(f"{url}/cancel")
    assert answer.json() == {
        "campaign_id": campaign_id,
        "status": "cancelled",
        "cancelled_messages": 7,
        "remaining": 0,
    }
    again = await api.post(f"{url}/cancel")
    assert (again.status_code, again.json()["cancelled_messages"]) == (200, 0)
    events = admin.execute(
        "select event_type, reason, count(*), count(distinct message_id) "
        "from raw.message_events group by event_type, reason"
    ).fetchall()
    assert events == [("cancelled", "campaign_cancelled", 7, 7)]
    stats = (await api.get(f"{url}/stats")).json()
    assert (stats["states"]["cancelled"], stats["states"]["sending"]) == (7, 3)
    assert stats["conservation"] == {"planned": 10, "sum": 10, "holds": True}
    assert (await api.post(f"{url}/plan")).status_code == 409


async def test_stats_tell_errors_in_words_and_see_a_lost_row(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    campaign = await make_campaign(api, admin, tenant)
    campaign_id = campaign["campaign_id"]
    planned(admin, tenant, campaign_id, 4)
    admin.execute("update app.campaigns set status = 'running', launched_at = now()")
    admin.execute(
        "update app.messages set state = 'delivered', accepted_at = now(), delivered_at = now()"
    )
    admin.execute(
        "update app.messages set state = 'failed', error_code = 131026 where message_id = "
        "(select message_id from app.messages order by message_id limit 1)"
    )
    url = f"/v1/campaigns/{campaign_id}/stats"
    stats = (await api.get(url)).json()
    assert stats["status"] == "finished_with_failures"
    [error] = stats["errors"]
    assert (error["code"], error["messages"]) == (131026, 1)
    assert error["advice"]
    assert stats["conservation"]["holds"] is True
    admin.execute(
        "delete from app.messages where message_id = "
        "(select message_id from app.messages order by message_id desc limit 1)"
    )
    assert (await api.get(url)).json()["conservation"] == {
        "planned": 4,
        "sum": 3,
        "holds": False,
    }


async def test_parts_must_exist_and_fit(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, other: Account
) -> None:
    good = {
        "name": "Offer",
        "phone_number_id": tenant.phone_number_id,
        "template_id": str(make_template(admin, tenant)),
        "list_id": (await api.post("/v1/lists", json={"name": "n"})).json()["list_id"],
    }
    soon = datetime.now(UTC) + timedelta(hours=1)
    for change, pointer in (
        ({"phone_number_id": other.phone_number_id}, "/phone_number_id"),
        ({"template_id": str(make_template(admin, other))}, "/template_id"),
        ({"list_id": str(new_id())}, "/list_id"),
        ({"scheduled_at": "2020-01-01T00:00:00Z"}, "/scheduled_at"),
        ({"scheduled_at": "9999-01-01T00:00:00Z"}, "/scheduled_at"),
        ({"scheduled_at": "2027-01-01T00:00:00"}, "/scheduled_at"),
        ({"scheduled_at": 1_800_000_000}, "/scheduled_at"),
        ({"name": ""}, "/name"),
        ({"name": "a\u0000b"}, "/name"),
        ({"parameters": {"1": {"attribute": "name", "value": "x"}}}, "/parameters/1"),
        ({"status": "running"}, "/status"),
    ):
        answer = await api.post("/v1/campaigns", json=good | change)
        assert answer.status_code == 422, (change, answer.text)
        pointers = [error["pointer"] for error in answer.json()["errors"]]
        assert all(found.startswith(pointer) for found in pointers), (change, pointers)
    answer = await api.post("/v1/campaigns", json=good | {"scheduled_at": soon.isoformat()})
    assert answer.status_code == 201
    assert json.loads(answer.text)["scheduled_at"] is not None


async def test_with_four_eyes_who_asked_for_a_plan_cannot_approve_it(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    campaign = await make_campaign(api, admin, tenant)
    url = f"/v1/campaigns/{campaign['campaign_id']}"
    asked = (await api.post(f"{url}/plan")).json()["plan_requested_by"]
    planned(admin, tenant, campaign["campaign_id"], 1)
    admin.execute(
        "update app.tenants set four_eyes = true where tenant_id = %s", (tenant.tenant_id,)
    )
    approve = {"plan_hash": "hash-of-the-plan"}
    answer = await api.post(f"{url}/approve", json=approve)
    assert (answer.status_code, answer.json()["code"]) == (403, "four-eyes")
    assert asked.startswith("api_key:")
    own_key = await api.post(
        "/v1/api-keys", json={"name": "mine", "scopes": ["campaigns:approve", "campaigns:read"]}
    )
    with_own_key = {"Authorization": f"Bearer {own_key.json()['secret']}"}
    answer = await api.post(f"{url}/approve", json=approve, headers=with_own_key)
    assert (answer.status_code, answer.json()["code"]) == (403, "four-eyes")
    admin.execute("update app.campaigns set plan_requested_by = 'api_key:another'")
    answer = await api.post(f"{url}/approve", json=approve)
    assert (answer.status_code, answer.json()["status"]) == (200, "approved")


async def test_wrong_parameters_are_listed_person_by_person_without_their_values(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    campaign = await make_campaign(api, admin, tenant)
    url = f"/v1/campaigns/{campaign['campaign_id']}/plan/errors"
    people = sorted(new_id() for _ in range(3))
    for contact_id in people:
        admin.execute(
            "insert into app.plan_errors (tenant_id, campaign_id, contact_id, errors)"
            " values (%s, %s, %s, %s)",
            (
                tenant.tenant_id,
                campaign["campaign_id"],
                contact_id,
                Jsonb([{"parameter": "1", "code": "too_long"}]),
            ),
        )
    first = (await api.get(url, params={"limit": 2})).json()
    assert [item["contact_id"] for item in first["items"]] == [str(who) for who in people[:2]]
    assert first["items"][0]["errors"][0]["code"] == "too_long"
    rest = (await api.get(url, params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [item["contact_id"] for item in rest["items"]] == [str(people[2])]
    assert (await api.get(f"/v1/campaigns/{new_id()}/plan/errors")).status_code == 404
