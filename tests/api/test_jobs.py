"""Long work of every kind, read off what it makes."""

import httpx
import psycopg

from tests.api.conftest import Account, as_tenant, finish_imports
from tests.api.test_campaigns import make_campaign, planned

Admin = psycopg.Connection[tuple[object, ...]]


async def test_every_kind_of_long_work_is_one_list(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, other: Account
) -> None:
    campaign = await make_campaign(api, admin, tenant)
    campaign_id = campaign["campaign_id"]
    assert (await api.get("/v1/jobs")).json()["items"] == []
    await api.post(f"/v1/campaigns/{campaign_id}/plan")
    [plan] = (await api.get("/v1/jobs")).json()["items"]
    assert (plan["job_id"], plan["kind"], plan["status"]) == (campaign_id, "plan", "queued")
    admin.execute(
        "insert into app.plan_runs (tenant_id, campaign_id, recipe) values (%s, %s, '{}')",
        (tenant.tenant_id, campaign_id),
    )
    admin.execute(
        "insert into app.plan_chunks (tenant_id, campaign_id, chunk_no, first_contact_id, people,"
        " done_at) select %s, %s, n, gen_random_uuid(), 10, case when n = 1 then now() end"
        " from generate_series(1, 3) as n",
        (tenant.tenant_id, campaign_id),
    )
    plan = (await api.get(f"/v1/jobs/{campaign_id}")).json()
    assert (plan["status"], plan["progress"]) == ("running", {"done": 10, "total": 30})
    planned(admin, tenant, campaign_id, 2)
    admin.execute("update app.campaigns set planned_at = now(), status = 'running'")
    admin.execute("update app.messages set state = 'failed'")
    again = {"dry_run": False, "expected_messages": 2}
    await api.post(f"/v1/campaigns/{campaign_id}/redrives", json=again)
    text = "phone\n+5511987654321\nbad\n"
    headers = {"Content-Type": "text/csv"}
    await api.post("/v1/contacts/imports?list=l", content=text, headers=headers)
    waiting = (await api.get("/v1/jobs", params={"kind": "import"})).json()["items"]
    assert [(job["status"], job["progress"]) for job in waiting] == [
        ("queued", {"done": 0, "total": None})
    ]
    await finish_imports(api)
    await api.post("/v1/exports", json={"dataset": "usage", "format": "csv"})
    jobs = (await api.get("/v1/jobs")).json()["items"]
    assert [(job["kind"], job["status"], job["progress"]) for job in jobs] == [
        ("export", "queued", {"done": 0, "total": None}),
        ("import", "finished", {"done": 2, "total": 2}),
        ("redrive", "queued", {"done": 0, "total": 2}),
        ("plan", "finished", {"done": 10, "total": 30}),
    ]
    for job in jobs:
        assert (await api.get(job["result"])).status_code == 200, job
        assert (await api.get(f"/v1/jobs/{job['job_id']}")).json() == job
        hidden = await api.get(f"/v1/jobs/{job['job_id']}", headers=as_tenant(other))
        assert hidden.status_code == 404
    assert (await api.get("/v1/jobs", headers=as_tenant(other))).json()["items"] == []
    for query, kinds in (
        ({"kind": "import"}, ["import"]),
        ({"state": "queued"}, ["export", "redrive"]),
        ({"created_from": jobs[1]["created_at"]}, ["export", "import"]),
        ({"created_to": jobs[2]["created_at"]}, ["plan"]),
    ):
        found = (await api.get("/v1/jobs", params=query)).json()["items"]
        assert [job["kind"] for job in found] == kinds, query
    page = (await api.get("/v1/jobs", params={"limit": 3})).json()
    rest = await api.get("/v1/jobs", params={"limit": 3, "cursor": page["next_cursor"]})
    assert page["items"] + rest.json()["items"] == jobs


async def test_failures_and_expired_exports_are_told(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    await api.post("/v1/exports", json={"dataset": "usage", "format": "csv"})
    admin.execute("update app.exports set status = 'expired', rows = 7, finished_at = now()")
    [job] = (await api.get("/v1/jobs")).json()["items"]
    assert (job["status"], job["progress"]) == ("finished", {"done": 7, "total": 7})
    admin.execute("update app.exports set status = 'failed', failure = 'no space'")
    [job] = (await api.get("/v1/jobs")).json()["items"]
    assert (job["status"], job["failure"]) == ("failed", "no space")
