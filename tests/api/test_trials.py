"""Experiments, canaries and re-drives through the API."""

from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.api.conftest import Account, as_tenant
from tests.api.test_campaigns import make_campaign, make_template, planned

Admin = psycopg.Connection[tuple[object, ...]]
ARMS = [{"name": "A", "percent": "50"}, {"name": "B", "percent": "50"}]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("experiment", {"variants": [{"name": "A", "percent": "60"}]}),
        ("experiment", {"variants": [*ARMS[:1], {"name": "A", "percent": "50"}]}),
        ("experiment", {"variants": [{"name": "holdout", "percent": "100"}]}),
        ("experiment", {"variants": ARMS, "holdout_percent": "51"}),
        ("experiment", {"variants": [{"name": "A", "percent": 100}]}),
        ("canary", {"percents": ["10", "1", "100"]}),
        ("canary", {"percents": ["1", "10"]}),
        ("canary", {"percents": ["0", "100"]}),
        ("canary", {"wait_minutes": -1}),
    ],
)
async def test_trials_that_make_no_sense_are_refused(
    api: httpx.AsyncClient, tenant: Account, field: str, value: object
) -> None:
    answer = await api.post(
        "/v1/campaigns",
        json={
            "name": "Offer",
            "phone_number_id": tenant.phone_number_id,
            "template_id": str(uuid4()),
            "list_id": str(uuid4()),
            field: value,
        },
    )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith(f"/{field}")


async def test_a_variant_s_template_must_be_of_the_number_s_account(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, other: Account
) -> None:
    foreign = make_template(admin, other, category="utility")
    arms = [*ARMS[:1], {"name": "B", "percent": "50", "template_id": str(foreign)}]
    template_id = make_template(admin, tenant, category="utility")
    list_id = (await api.post("/v1/lists", json={"name": "all"})).json()["list_id"]
    answer = await api.post(
        "/v1/campaigns",
        json={
            "name": "Offer",
            "phone_number_id": tenant.phone_number_id,
            "template_id": str(template_id),
            "list_id": list_id,
            "experiment": {"variants": arms},
        },
    )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/experiment/variants"


async def test_the_arms_of_an_experiment_are_compared(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    campaign = await make_campaign(api, admin, tenant, experiment={"variants": ARMS})
    url = f"/v1/campaigns/{campaign['campaign_id']}"
    planned(admin, tenant, campaign["campaign_id"], 400)
    admin.execute(
        "with numbered as (select message_id, row_number() over (order by message_id) as n"
        " from app.messages) update app.messages as m set"
        " variant = case when n <= 200 then 'A' else 'B' end,"
        " state = case when n <= 60 or n between 201 and 320 then 'read' else 'delivered' end,"
        " accepted_at = now() from numbered where numbered.message_id = m.message_id"
    )
    result = (await api.get(f"{url}/experiment")).json()
    shown = {arm["variant"]: (arm["people"], arm["read"]["percent"]) for arm in result["arms"]}
    assert shown == {"A": (200, 30.0), "B": (200, 60.0)}
    assert result["comparisons"] == [{"one": "A", "other": "B", "differ_on": ["read"]}]


async def test_a_canary_begins_with_its_first_wave_and_people_may_release_the_next(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, other: Account
) -> None:
    campaign = await make_campaign(api, admin, tenant, canary={"percents": ["5", "100"]})
    url = f"/v1/campaigns/{campaign['campaign_id']}"
    planned(admin, tenant, campaign["campaign_id"], 4)
    assert (await api.post(f"{url}/waves/next")).status_code == 409
    assert (await api.get(f"{url}/waves", headers=as_tenant(other))).status_code == 404
    await api.post(f"{url}/approve", json={"plan_hash": "hash-of-the-plan"})
    await api.post(f"{url}/launch")
    assert (await api.get(f"{url}/waves")).json()["released_wave"] == 1
    admin.execute(
        "update app.campaigns set status = 'paused', status_reason = 'canary_stopped: RED'"
    )
    released = (await api.post(f"{url}/waves/next")).json()
    assert (released["released_wave"], released["status"]) == (2, "running")
    assert (await api.post(f"{url}/waves/next")).status_code == 409


async def test_a_redrive_is_counted_first_and_then_asked_for_once(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, other: Account
) -> None:
    campaign = await make_campaign(api, admin, tenant)
    url = f"/v1/campaigns/{campaign['campaign_id']}/redrives"
    planned(admin, tenant, campaign["campaign_id"], 5)
    admin.execute("update app.messages set state = 'failed', error_code = 131026")
    admin.execute("update app.campaigns set status = 'running'")
    counted = (await api.post(url, json={"error_codes": [131026]})).json()
    assert (counted["dry_run"], counted["matching"], counted["redrive"]) == (True, 5, None)
    assert counted["by_error"][0]["error_code"] == 131026
    assert (await api.post(url, json={"error_codes": [1]})).json()["matching"] == 0
    uncounted = await api.post(url, json={"dry_run": False})
    assert uncounted.status_code == 422
    wrong = await api.post(url, json={"dry_run": False, "expected_messages": 4})
    assert (wrong.status_code, wrong.json()["code"]) == (409, "redrive-count")
    assert wrong.json()["matching"] == 5
    key = {"Idempotency-Key": "again"}
    wanted = {"dry_run": False, "expected_messages": 5}
    first = (await api.post(url, json=wanted, headers=key)).json()
    second = await api.post(url, json=wanted, headers=key)
    assert second.headers["Idempotency-Replayed"] == "true"
    assert second.json() == first
    listed = (await api.get(url)).json()["items"]
    assert [item["redrive_id"] for item in listed] == [first["redrive"]["redrive_id"]]
    assert (await api.get(url, headers=as_tenant(other))).status_code == 404


async def test_a_cancelled_campaign_is_not_tried_again(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    campaign = await make_campaign(api, admin, tenant)
    planned(admin, tenant, campaign["campaign_id"], 1)
    admin.execute("update app.messages set state = 'failed'")
    admin.execute("update app.campaigns set status = 'cancelled'")
    answer = await api.post(
        f"/v1/campaigns/{campaign['campaign_id']}/redrives",
        json={"dry_run": False, "expected_messages": 1},
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "campaign-state")


async def test_what_evidence_has_not_settled_is_shown_as_a_number(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    campaign = await make_campaign(api, admin, tenant)
    planned(admin, tenant, campaign["campaign_id"], 6)
    ids = [row[0] for row in admin.execute("select message_id from app.messages").fetchall()]
    admin.execute(
        "update app.messages set state = 'failed', reason = 'unconfirmed', attempt_no = 1"
        " where message_id = any(%s)",
        (ids[:2],),
    )
    admin.execute(
        "update app.messages set state = 'in_doubt', attempt_no = 1,"
        " in_doubt_since = '2026-11-23T10:00:00Z' where message_id = %s",
        (ids[2],),
    )
    admin.execute(
        "update app.messages set state = 'delivered', attempt_no = 2 where message_id = any(%s)",
        (ids[3:5],),
    )
    for message_id, outcome in ((ids[3], "in_doubt"), (ids[4], "throttled")):
        admin.execute(
            "insert into app.message_attempts (tenant_id, message_id, attempt_no, outcome,"
            " claimed_at) values (%s, %s, 1, %s, now())",
            (tenant.tenant_id, message_id, outcome),
        )
    stats = (await api.get(f"/v1/campaigns/{campaign['campaign_id']}/stats")).json()
    assert stats["residual_risk"] == {
        "closed_unconfirmed": 2,
        "repeated": 1,
        "in_doubt": 1,
        "in_doubt_since": "2026-11-23T10:00:00Z",
    }


async def test_a_stopped_arm_is_shown_and_goes_on_once_its_new_text_is_accepted(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    campaign = await make_campaign(api, admin, tenant, experiment={"variants": ARMS})
    campaign_id = campaign["campaign_id"]
    planned(admin, tenant, campaign_id, 4)
    other = make_template(admin, tenant, category="utility")
    admin.execute("update app.templates set category = 'marketing'")
    admin.execute(
        "update app.campaigns as c set status = 'running', launched_at = now(),"
        " category = t.category, template_version_hash = t.version_hash,"
        " variant_hashes = jsonb_build_object('B', t.version_hash),"
        " experiment = jsonb_set(c.experiment, '{variants,1,template_id}', to_jsonb(%s::text))"
        " from app.templates as t where t.template_id = c.template_id and c.campaign_id = %s",
        (str(other), campaign_id),
    )
    admin.execute(
        "update app.messages as m set variant = a.variant, template_id = a.template_id from"
        " (select message_id, case when n %% 2 = 0 then 'A' else 'B' end as variant,"
        " case when n %% 2 = 0 then %s::uuid else %s::uuid end as template_id from"
        " (select message_id, row_number() over () as n from app.messages) as numbered) as a"
        " where m.message_id = a.message_id",
        (campaign["template_id"], str(other)),
    )
    admin.execute("update app.templates set version_hash = 'new' where template_id = %s", (other,))
    url = f"/v1/campaigns/{campaign_id}"

    async def arms() -> list[tuple[str, int, str | None]]:
        found = (await api.get(f"{url}/experiment")).json()["arms"]
        return [(arm["variant"], arm["waiting"], arm["stopped"]) for arm in found]

    assert await arms() == [("A", 2, None), ("B", 2, "template_changed")]
    waiting = (await api.get(url)).json()["waiting_because"]
    reasons = {item["reason"]: item["messages"] for item in waiting}
    assert reasons["template_changed"] == 2
    refused = await api.post(f"{url}/resume", json={"accept_template_version_hash": "other"})
    assert refused.status_code == 409
    answer = await api.post(f"{url}/resume", json={"accept_template_version_hash": "new"})
    assert (answer.status_code, answer.json()["status"]) == (200, "running")
    assert await arms() == [("A", 2, None), ("B", 2, None)]
    admin.execute(
        "update app.templates set halted_reason = 'Meta: PAUSED' where template_id = %s", (other,)
    )
    assert await arms() == [("A", 2, None), ("B", 2, "template_halted")]
