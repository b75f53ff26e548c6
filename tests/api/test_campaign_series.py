"""Recurring campaigns over the API."""

from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest

from core.domain.ids import new_id
from core.store import tenants
from tests.api.conftest import Account, as_tenant
from tests.api.test_campaigns import Admin, make_template

ZONE = ZoneInfo("America/Sao_Paulo")
URL = "/v1/campaign-series"


def wall(days: int, hour: int) -> str:
    day = datetime.now(ZONE) + timedelta(days=days)
    return day.replace(hour=hour, minute=0, second=0, microsecond=0, tzinfo=None).isoformat()


async def wish(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, **changes: object
) -> dict[str, object]:
    """What makes a daily series."""
    template_id = make_template(admin, tenant)
    list_id = (await api.post("/v1/lists", json={"name": str(new_id())})).json()["list_id"]
    wanted: dict[str, object] = {
        "name": "Offer of the day",
        "phone_number_id": tenant.phone_number_id,
        "template_id": str(template_id),
        "list_id": list_id,
        "parameters": {"1": {"attribute": "name"}},
        "starts_local": wall(2, 9),
        "recurrence": {"frequency": "daily"},
    }
    return wanted | changes


async def make_series(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, **changes: object
) -> tuple[str, dict[str, object]]:
    """A series and its address."""
    answer = await api.post(URL, json=await wish(api, admin, tenant, **changes))
    assert answer.status_code == 201, answer.text
    found: dict[str, object] = answer.json()
    return f"{URL}/{found['series_id']}", found


def made(admin: Admin, tenant: Account, series_id: object, *, status: str = "approved") -> UUID:
    """The campaign that the scheduler has made of the series' next occurrence."""
    campaign_id = new_id()
    admin.execute(
        "insert into app.campaigns (tenant_id, campaign_id, series_id, name, phone_number_id,"
        " template_id, list_id, parameters, status, scheduled_at, launched_at, created_by)"
        " select tenant_id, %(c)s, series_id, name, phone_number_id, template_id, list_id,"
        " parameters, %(status)s, next_at, case when %(status)s = 'running' then now() end,"
        " 'series' from app.campaign_series where series_id = %(s)s",
        {"c": campaign_id, "s": series_id, "status": status},
    )
    admin.execute(
        "insert into app.series_occurrences (tenant_id, series_id, occurrence, occurs_at,"
        " campaign_id) select tenant_id, series_id, next_local, next_at, %s"
        " from app.campaign_series where series_id = %s",
        (campaign_id, series_id),
    )
    admin.execute(
        "update app.campaign_series set next_local = next_local + interval '1 day',"
        " next_at = next_at + interval '1 day' where series_id = %s",
        (series_id,),
    )
    return campaign_id


async def approve(api: httpx.AsyncClient, url: str, **headers: str) -> httpx.Response:
    seen = (await api.get(url)).json()["approval_hash"]
    return await api.post(f"{url}/approve", json={"approval_hash": seen}, headers=headers)


async def test_a_series_shows_its_rule_and_what_lies_ahead(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    url, series = await make_series(
        api,
        admin,
        tenant,
        recurrence={"frequency": "weekly", "interval": 2, "weekdays": [1, 4], "count": 3},
    )
    assert series["recurrence"] == {
        "frequency": "weekly",
        "interval": 2,
        "weekdays": [1, 4],
        "month_day": None,
        "until": None,
        "count": 3,
    }
    assert (series["status"], series["standing_approval"]) == ("active", None)
    ahead = (await api.get(f"{url}/upcoming")).json()
    assert (ahead["timezone"], len(ahead["items"])) == ("America/Sao_Paulo", 3)
    for item in ahead["items"]:
        local = datetime.fromisoformat(item["occurs_local"])
        assert (local.hour, local.isoweekday() in {1, 4}) == (9, True)
        assert datetime.fromisoformat(item["occurs_at"]) == local.replace(tzinfo=ZONE)
    assert series["next_local"] == ahead["items"][0]["occurs_local"]
    assert len((await api.get(f"{url}/upcoming?count=1")).json()["items"]) == 1
    assert (await api.get(url)).json() == series


async def test_a_series_that_could_make_nothing_is_refused(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, other: Account
) -> None:
    good = await wish(api, admin, tenant)
    daily = {"frequency": "daily"}
    for change, pointer in (
        ({"starts_local": "2020-01-01T09:00"}, "/starts_local"),
        ({"starts_local": wall(1, 9) + "Z"}, "/starts_local"),
        ({"starts_local": wall(1, 9)[:-1] + "7"}, "/starts_local"),
        ({"recurrence": daily | {"until": "2020-01-01"}}, "/recurrence"),
        ({"recurrence": daily | {"until": wall(9, 9)[:10], "count": 2}}, "/recurrence"),
        ({"recurrence": daily | {"weekdays": [1]}}, "/recurrence"),
        ({"recurrence": {"frequency": "monthly", "month_day": 0}}, "/recurrence"),
        ({"recurrence": {"frequency": "hourly"}}, "/recurrence/frequency"),
        ({"recurrence": daily | {"interval": 0}}, "/recurrence/interval"),
        ({"lead_minutes": 4}, "/lead_minutes"),
        ({"phone_number_id": other.phone_number_id}, "/phone_number_id"),
        ({"list_id": str(new_id())}, "/list_id"),
        ({"template_id": str(new_id())}, "/template_id"),
        ({"rule": "FREQ=DAILY"}, "/rule"),
    ):
        answer = await api.post(URL, json=good | change)
        assert answer.status_code == 422, (change, answer.text)
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer], change
    assert (await api.get(URL)).json()["items"] == []


async def test_the_same_creation_twice_makes_one_series(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    wanted = await wish(api, admin, tenant)
    wanted["recurrence"] = {"frequency": "monthly", "month_day": -1, "until": wall(200, 9)[:10]}
    answers = [
        await api.post(URL, json=wanted, headers={"Idempotency-Key": "series-1"}) for _ in range(2)
    ]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["Idempotency-Replayed"] == "true"
    assert len((await api.get(URL)).json()["items"]) == 1


async def test_a_change_of_what_was_approved_ends_the_approval_and_withdraws_what_waits(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    url, series = await make_series(api, admin, tenant)
    assert (await approve(api, url)).json()["standing_approval"]["holds"] is True
    waiting = made(admin, tenant, series["series_id"])
    kept = await api.patch(url, json={"name": "Other", "lead_minutes": 30, "local_delivery": False})
    assert (kept.json()["name"], kept.json()["lead_minutes"]) == ("Other", 30)
    assert kept.json()["standing_approval"] is not None
    assert (await api.get(f"/v1/campaigns/{waiting}")).json()["status"] == "approved"
    changes: list[dict[str, object]] = [
        {"parameters": {"1": {"value": "x"}}},
        {"recurrence": {"frequency": "daily", "interval": 2}},
        {"starts_local": wall(3, 10)},
        {"local_delivery": True},
    ]
    for change in changes:
        assert (await approve(api, url)).status_code == 200
        changed = (await api.patch(url, json=change)).json()
        assert changed["standing_approval"] is None, change
        ahead = (await api.get(f"{url}/upcoming?count=1")).json()["items"][0]
        assert changed["next_at"] == ahead["occurs_at"]
        assert changed["approval_hash"] != series["approval_hash"]
    withdrawn = (await api.get(f"/v1/campaigns/{waiting}")).json()
    assert withdrawn["status"] == "cancelled"
    assert withdrawn["status_reason"].startswith("series changed by api_key:")
    assert (await api.get(f"{url}/occurrences")).json()["items"] == []


async def test_a_pause_takes_back_what_waits_and_leaves_what_runs(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    url, series = await make_series(api, admin, tenant)
    running = made(admin, tenant, series["series_id"], status="running")
    waiting = made(admin, tenant, series["series_id"], status="planned")
    for _ in range(2):
        paused = (await api.post(f"{url}/pause")).json()
        assert (paused["status"], paused["next_at"]) == ("paused", None)
    states = [
        (await api.get(f"/v1/campaigns/{one}")).json()["status"] for one in (running, waiting)
    ]
    assert states == ["running", "cancelled"]
    listed = (await api.get(f"{url}/occurrences")).json()["items"]
    assert [one["campaign_id"] for one in listed] == [str(running)]
    assert listed[0]["occurs_local"] == series["next_local"]
    resumed = (await api.post(f"{url}/resume")).json()
    assert (resumed["status"], resumed["next_local"]) == ("active", series["next_local"])
    admin.execute("update app.campaign_series set status = 'ended', next_at = null")
    for step in ("pause", "resume"):
        refused = await api.post(f"{url}/{step}")
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    again = await api.patch(url, json={"recurrence": {"frequency": "weekly"}})
    assert (again.json()["status"], again.json()["next_at"] is None) == ("active", False)


@pytest.mark.parametrize("four_eyes", [True, False])
async def test_a_standing_approval_is_of_what_was_read_and_given_by_another(
    api: httpx.AsyncClient,
    admin: Admin,
    operator: tenants.Connection,
    tenant: Account,
    four_eyes: bool,
) -> None:
    admin.execute("update app.tenants set four_eyes = %s", (four_eyes,))
    url, series = await make_series(api, admin, tenant)
    scopes = ["campaigns:approve", "campaigns:write"]
    key = tenants.create_api_key(operator, tenant_id=tenant.tenant_id, name="b", scopes=scopes)
    second = {"Authorization": f"Bearer {key.plaintext}"}
    mine = await api.post("/v1/api-keys", json={"name": "mine", "scopes": scopes})
    with_mine = {"Authorization": f"Bearer {mine.json()['secret']}"}
    assert (await approve(api, url, **with_mine)).status_code == (403 if four_eyes else 200)
    answer = await approve(api, url)
    if not four_eyes:
        assert answer.json()["standing_approval"]["approved_by"].startswith("api_key:")
        admin.execute("update app.templates set version_hash = 'v2'")
        assert (await api.get(url)).json()["standing_approval"]["holds"] is False
        stale = await api.post(f"{url}/approve", json={"approval_hash": series["approval_hash"]})
        assert (stale.status_code, stale.json()["code"]) == (409, "conflict")
        return
    assert (answer.status_code, answer.json()["code"]) == (403, "four-eyes")
    assert (await approve(api, url, **second)).status_code == 200
    changed = await api.patch(url, json={"starts_local": wall(3, 10)}, headers=second)
    assert changed.json()["changed_by"] != series["changed_by"]
    assert (await approve(api, url, **second)).status_code == 403
    assert (await approve(api, url)).status_code == 200


async def test_series_are_listed_by_status_and_page(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, other: Account
) -> None:
    urls = [(await make_series(api, admin, tenant))[0]]
    wanted = (await api.get(urls[0])).json()
    for _ in range(2):
        copy = await api.post(
            URL,
            json={
                name: wanted[name]
                for name in (
                    "name",
                    "phone_number_id",
                    "template_id",
                    "list_id",
                    "starts_local",
                )
            }
            | {"recurrence": {"frequency": "daily"}},
        )
        urls.append(f"{URL}/{copy.json()['series_id']}")
    await api.post(f"{urls[1]}/pause")
    page = (await api.get(URL, params={"limit": 2})).json()
    rest = (await api.get(URL, params={"limit": 2, "cursor": page["next_cursor"]})).json()
    ids = [f"{URL}/{one['series_id']}" for one in page["items"] + rest["items"]]
    assert ids == urls[::-1]
    paused = (await api.get(URL, params={"state": "paused"})).json()["items"]
    assert [f"{URL}/{one['series_id']}" for one in paused] == [urls[1]]
    assert (await api.delete(urls[1])).status_code == 204
    for step in ("", "/upcoming", "/occurrences"):
        assert (await api.get(urls[1] + step)).status_code == 404
    for url in (urls[1], f"{URL}/{new_id()}"):
        assert (await api.delete(url)).status_code == 404
    assert (await api.delete(urls[0], headers=as_tenant(other))).status_code == 404
    assert len((await api.get(URL)).json()["items"]) == 2


async def test_a_series_carries_arms_and_waves_and_its_approval_covers_their_templates(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, other: Account
) -> None:
    own = make_template(admin, tenant, category="utility")
    foreign = make_template(admin, other, category="utility")
    arms = [{"name": "A", "percent": "50"}, {"name": "B", "percent": "50"}]

    def experiment(template_id: object) -> dict[str, object]:
        return {"variants": [arms[0], {**arms[1], "template_id": str(template_id)}]}

    refused = await api.post(
        URL, json=await wish(api, admin, tenant, experiment=experiment(foreign))
    )
    assert refused.json()["errors"][0]["pointer"] == "/experiment/variants"
    admin.execute("update app.templates set name = name || 'x' where template_id <> %s", (own,))
    waves = {"percents": ["1", "100"]}
    url, series = await make_series(
        api, admin, tenant, experiment=experiment(own), canary=waves, starts_local=wall(3, 9)
    )
    shown = cast("dict[str, dict[str, Any]]", series)
    assert shown["experiment"]["variants"][1]["template_id"] == str(own)
    assert (shown["canary"]["percents"], shown["canary"]["wait_minutes"]) == (["1", "100"], 15)
    assert (await approve(api, url)).json()["standing_approval"]["holds"] is True
    hashes = "select approved_variant_hashes from app.campaign_series"
    assert admin.execute(hashes).fetchone() == ({"B": "v1"},)
    admin.execute("update app.templates set version_hash = 'v2' where template_id = %s", (own,))
    seen = (await api.get(url)).json()
    assert seen["standing_approval"]["holds"] is False
    assert seen["approval_hash"] != series["approval_hash"]
    assert (await approve(api, url)).json()["standing_approval"]["holds"] is True
    for change in ({"canary": None}, {"experiment": None}):
        changed = (await api.patch(url, json=change)).json()
        assert changed["standing_approval"] is None
        assert (await approve(api, url)).status_code == 200
    assert (changed["experiment"], changed["canary"]) == (None, None)
    assert (await api.patch(url, json={"name": "Same"})).json()["standing_approval"] is not None


async def make_segment(api: httpx.AsyncClient, name: str = "s") -> str:
    made = await api.post("/v1/segments", json={"name": name, "filter": "not suppressed"})
    assert made.status_code == 201, made.text
    return str(made.json()["segment_id"])


async def test_a_series_goes_to_a_segment_and_other_words_end_its_standing_approval(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    segment_id = await make_segment(api)
    wanted = await wish(api, admin, tenant)
    list_id = wanted.pop("list_id")
    made = await api.post(URL, json=wanted | {"segment_id": segment_id})
    assert made.status_code == 201, made.text
    series = made.json()
    url = f"{URL}/{series['series_id']}"
    assert series["segment_id"] == segment_id
    # The list that stands for it is nobody's to choose.
    assert [each["list_id"] for each in (await api.get("/v1/lists")).json()["items"]] == [list_id]
    stolen = await api.post(URL, json=wanted | {"list_id": series["list_id"]})
    assert (stolen.status_code, stolen.json()["errors"][0]["pointer"]) == (422, "/list_id")
    approved = await api.post(f"{url}/approve", json={"approval_hash": series["approval_hash"]})
    assert approved.json()["standing_approval"]["holds"]
    # What isn't about the people leaves the approval as it is.
    renamed = await api.patch(url, json={"name": "Other", "segment_id": segment_id})
    assert renamed.json()["standing_approval"]["holds"]
    assert renamed.json()["list_id"] == series["list_id"]
    words = {"filter": 'not suppressed and language = "pt"'}
    assert (await api.patch(f"/v1/segments/{segment_id}", json=words)).status_code == 200
    changed = (await api.get(url)).json()
    assert not changed["standing_approval"]["holds"]
    assert changed["approval_hash"] != series["approval_hash"]
    stale = await api.post(f"{url}/approve", json={"approval_hash": series["approval_hash"]})
    assert stale.status_code == 409
    again = await api.post(f"{url}/approve", json={"approval_hash": changed["approval_hash"]})
    assert again.json()["standing_approval"]["holds"]


async def test_a_series_changes_between_lists_and_segments_and_needs_one_of_both(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, other: Account
) -> None:
    wanted = await wish(api, admin, tenant)
    first, second = await make_segment(api, "a"), await make_segment(api, "b")
    list_id = wanted["list_id"]
    for body, pointer in (
        (wanted | {"segment_id": first}, "/segment_id"),
        ({name: value for name, value in wanted.items() if name != "list_id"}, "/list_id"),
        (wanted | {"list_id": None, "segment_id": str(new_id())}, "/segment_id"),
    ):
        answer = await api.post(URL, json=body)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    made = (await api.post(URL, json=wanted)).json()
    url = f"{URL}/{made['series_id']}"
    assert (made["segment_id"], made["list_id"]) == (None, list_id)
    seen = set()
    for change, segment_id in (
        ({"segment_id": first}, first),
        ({"segment_id": second}, second),
        ({"list_id": list_id}, None),
        ({"segment_id": first}, first),
    ):
        changed = await api.patch(url, json=change)
        assert changed.status_code == 200, changed.text
        assert changed.json()["segment_id"] == segment_id
        assert (await api.get(url)).json()["segment_id"] == segment_id
        seen.add(changed.json()["list_id"])
    assert len(seen) == 4
    both = await api.patch(url, json={"segment_id": first, "list_id": list_id})
    assert both.status_code == 422
    unknown = await api.patch(url, json={"segment_id": str(new_id())})
    assert unknown.json()["errors"][0]["pointer"] == "/segment_id"
    kept = await api.delete(f"/v1/segments/{first}")
    assert (kept.status_code, kept.json()["code"]) == (409, "conflict")
