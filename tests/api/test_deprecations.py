"""Operations that end: what their answers say, when they stop, and who still uses them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from jsonschema import Draft202012Validator

from api.app import create_app
from api.deprecations import DEPRECATIONS, BrownOut, Deprecation
from api.openapi import operations
from core.clock import FixedClock
from core.settings import Settings
from tests.api.conftest import Account, as_tenant
from tests.support.contract import document

Admin = psycopg.Connection[tuple[object, ...]]
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)
LISTS = Deprecation(
    announced_at=NOW - 100 * DAY,
    deprecated_at=NOW - 10 * DAY,
    sunset_at=NOW + 300 * DAY,
    reason="Lists are segments from version 2 on.",
    successor="/v2/segments",
    brown_outs=(BrownOut(starts_at=NOW + DAY, ends_at=NOW + DAY + timedelta(hours=2)),),
)


@pytest.fixture(autouse=True)
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two operations that end: one of tenants, one of anybody."""
    table = MappingProxyType({"list_lists": LISTS, "list_problems": LISTS})
    monkeypatch.setattr("api.deprecations.DEPRECATIONS", table)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@asynccontextmanager
async def serving(settings: Settings, clock: FixedClock) -> AsyncIterator[httpx.AsyncClient]:
    """The app with the planted table; its answers are held against its own document below."""
    app = create_app(settings, clock=clock)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
            client.app = app  # type: ignore[attr-defined]
            yield client


@pytest.fixture
async def api(
    settings: Settings, clock: FixedClock, tenant: Account
) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(settings, clock) as client:
        client.headers.update(as_tenant(tenant))
        yield client


def app_of(client: httpx.AsyncClient) -> FastAPI:
    app: FastAPI = client.app  # type: ignore[attr-defined]
    return app


async def test_every_answer_of_a_deprecated_operation_says_when_it_ends(
    api: httpx.AsyncClient,
) -> None:
    answers = [
        await api.get("/v1/lists"),
        await api.get("/v1/lists?limit=0"),
        await api.get("/problems", headers={"Authorization": ""}),
    ]
    assert [answer.status_code for answer in answers] == [200, 422, 200]
    for answer in answers:
        assert answer.headers["deprecation"] == f"@{int((NOW - 10 * DAY).timestamp())}"
        assert answer.headers["sunset"] == "Mon, 20 Sep 2027 12:00:00 GMT"
        assert answer.headers["link"] == (
            '</deprecations>; rel="deprecation", </deprecations>; rel="sunset", '
            '</v2/segments>; rel="successor-version"'
        )
    other = await api.get("/v1/contacts")
    assert other.status_code == 200
    assert not {"deprecation", "sunset", "link"} & set(other.headers)
    linked = (await api.get("/deprecations")).json()["items"]
    assert [(one["operation_id"], one["path"], one["phase"]) for one in linked] == [
        ("list_lists", "/v1/lists", "deprecated"),
        ("list_problems", "/problems", "deprecated"),
    ]


async def test_after_the_sunset_it_is_410_and_before_it_brown_outs_rehearse_that(
    api: httpx.AsyncClient, clock: FixedClock
) -> None:
    clock.advance(DAY + timedelta(minutes=30))
    brown = await api.get("/v1/lists")
    assert (brown.status_code, brown.json()["code"]) == (410, "operation-brown-out")
    assert brown.headers["retry-after"] == str(90 * 60 + 1)
    clock.advance(timedelta(minutes=90))
    assert (await api.get("/v1/lists")).status_code == 200
    clock.advance(299 * DAY - timedelta(hours=2, seconds=1))
    assert (await api.get("/v1/lists")).status_code == 200
    clock.advance(timedelta(seconds=1))
    for address in ("/v1/lists", "/problems"):
        gone = await api.get(address)
        assert (gone.status_code, gone.json()["code"]) == (410, "operation-gone")
        assert gone.headers["sunset"] == "Mon, 20 Sep 2027 12:00:00 GMT"
    # Nobody learns by it whether a key is good.
    stranger = await api.get("/v1/lists", headers={"Authorization": "Bearer nothing"})
    assert stranger.status_code == 401


async def test_answers_are_as_the_document_of_the_planted_table_says(
    api: httpx.AsyncClient, clock: FixedClock
) -> None:
    described = app_of(api).openapi()
    found = {each["operationId"]: each for _, _, each in operations(described)}
    ending, staying = found["list_lists"], found["list_contacts"]
    assert (ending["deprecated"], ending["x-sunset"]) == (True, LISTS.sunset_at.isoformat())
    assert "deprecated" not in staying
    assert LISTS.reason in ending["description"]
    headers = {"Deprecation", "Sunset", "Link"}
    for status, response in ending["responses"].items():
        assert headers < set(response["headers"]), status
    clock.advance(400 * DAY)
    gone = await api.get("/v1/lists")
    schema = ending["responses"]["410"]["content"]["application/problem+json"]["schema"]
    Draft202012Validator({**schema, "components": described["components"]}).validate(gone.json())
    documented = {name.lower() for name in ending["responses"]["410"]["headers"]}
    assert {"deprecation", "sunset", "link"} < documented & set(gone.headers)


async def test_uses_are_counted_by_tenant_operation_and_day(
    settings: Settings, api: httpx.AsyncClient, clock: FixedClock, other: Account, admin: Admin
) -> None:
    uses = app_of(api).state.api.deprecated_uses
    for _ in range(3):
        await api.get("/v1/lists")
    await api.get("/v1/lists", headers=as_tenant(other))
    await uses.flush()
    clock.advance(DAY * 2)
    await api.get("/v1/lists")
    await uses.flush()
    await api.get("/v1/lists")
    await uses.flush()
    shown = (await api.get("/v1/deprecations")).json()["items"]
    lists = next(one for one in shown if one["operation"]["operation_id"] == "list_lists")
    assert (lists["uses"], lists["days"]) == (
        5,
        [{"date": "2026-11-24", "uses": 3}, {"date": "2026-11-26", "uses": 2}],
    )
    theirs = (await api.get("/v1/deprecations", headers=as_tenant(other))).json()["items"]
    assert sorted(one["uses"] for one in theirs) == [0, 1]
    some = await api.get("/v1/deprecations?from=2026-11-25&to=2026-11-27")
    assert [one["uses"] for one in some.json()["items"]] == [2, 0]
    for wrong in ("from=2026-11-25&to=2026-11-25", "from=2020-01-01&to=2026-11-27"):
        assert (await api.get(f"/v1/deprecations?{wrong}")).status_code == 422


async def test_an_end_in_order_loses_no_count_and_a_lost_database_none_either(
    settings: Settings, clock: FixedClock, tenant: Account, admin: Admin
) -> None:
    total = "select coalesce(sum(uses), 0) from app.deprecated_uses"
    async with serving(settings, clock) as client:
        await client.get("/v1/lists", headers=as_tenant(tenant))
        uses = app_of(client).state.api.deprecated_uses
        admin.execute("alter table app.deprecated_uses rename to away")
        await uses.flush()
        admin.execute("alter table app.away rename to deprecated_uses")
        await client.get("/v1/lists", headers=as_tenant(tenant))
        assert admin.execute(total).fetchone() == (0,)
    assert admin.execute(total).fetchone() == (2,)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"sunset_at": NOW + 264 * DAY}, "a year"),
        ({"deprecated_at": NOW - 101 * DAY}, "before it is announced"),
        ({"brown_outs": (BrownOut(starts_at=NOW, ends_at=NOW + DAY),)}, "four hours"),
        (
            {
                "announced_at": NOW - 20 * DAY,
                "sunset_at": NOW + 400 * DAY,
                "brown_outs": (BrownOut(starts_at=NOW, ends_at=NOW + timedelta(hours=1)),),
            },
            "a month",
        ),
        (
            {
                "brown_outs": (
                    BrownOut(
                        starts_at=NOW + 300 * DAY, ends_at=NOW + 300 * DAY + timedelta(hours=1)
                    ),
                )
            },
            "between deprecation and sunset",
        ),
    ],
)
def test_the_table_cannot_break_the_policy(changes: dict[str, Any], rule: str) -> None:
    values = {
        name: getattr(LISTS, name)
        for name in ("announced_at", "deprecated_at", "sunset_at", "reason", "successor")
    }
    with pytest.raises(ValueError, match=rule):
        Deprecation(**values | changes)


def test_the_table_names_operations_that_exist_and_are_served_by_fastapi() -> None:
    known = {each["operationId"] for _, path, each in operations(document())}
    below = {"verify_webhook_address", "receive_webhook"}
    assert set(DEPRECATIONS) <= known - below
