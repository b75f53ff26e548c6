"""Every list is filtered by time and state, by the same names: read off the OpenAPI document."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from api.list_filters import OTHER_TIMES, Made
from core.domain.ids import created_at, new_id
from core.store import tenants
from core.store.queries import load
from tests.api.conftest import Account
from tests.api.list_walk import Maker, World, three_of_everything

Admin = psycopg.Connection[tuple[object, ...]]
#: Lists of what has no time of its own, and why.
WITHOUT_TIME = {"list_plan_errors": "all of them were found in the instant of one plan"}
#: Lists of what is in no state, and why.
WITHOUT_STATE = {
    "list_attributes": "an attribute is declared, or it isn't",
    "list_audit_entries": "an entry never changes",
    "list_consents": "an entry of the ledger never changes; what holds now stands beside them",
    "list_contacts": "who may be written to depends on the purpose; segments ask for it",
    "list_inbox": "a message that has come is there",
    "list_lists": "a list is there, or it isn't",
    "list_media": "a file is kept, or it isn't",
    "list_plan_errors": "one person's mistakes",
    "list_portfolios": "its room is a number",
    "list_segments": "a segment is there, or it isn't",
    "list_sessions": "only living ones are listed",
    "list_suppressions": "what is kept out is its `scope`, and a filter of that name",
}
#: The state of an item that has no member for it.
STATES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "list_api_keys": lambda key: "revoked" if key["revoked_at"] else "active",
    "list_webhook_endpoints": lambda one: "enabled" if one["enabled"] else "disabled",
    "list_series_occurrences": lambda one: str(one["campaign_state"]),
}
BEGINNING = "2026-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One list of the document."""

    operation: str
    path: str
    parameters: Mapping[str, Mapping[str, Any]]
    members: Mapping[str, Mapping[str, Any]]

    @property
    def time(self) -> str:
        """What of an item the two instants ask about."""
        return OTHER_TIMES.get(self.operation, "created_at")

    def state_of(self, item: Mapping[str, Any]) -> str:
        """The state that an item shows."""
        if self.operation in STATES:
            return STATES[self.operation](item)
        # A campaign shows both: `status` is what is stored of its state.
        return str(item["state"] if "state" in item else item["status"])


def listings(document: Mapping[str, Any]) -> Iterator[Listing]:
    """Every operation that gives a page."""
    for path, methods in document["paths"].items():
        read = methods.get("get", {})
        found = {one["name"]: one for one in _resolved(document, read.get("parameters", []))}
        if {"cursor", "limit"} <= set(found):
            answer = read["responses"]["200"]["content"]["application/json"]["schema"]
            items = _followed(document, answer)["properties"]["items"]["items"]
            yield Listing(
                operation=read["operationId"],
                path=path,
                parameters=found,
                members=_followed(document, items)["properties"],
            )


def _resolved(document: Mapping[str, Any], found: list[Any]) -> Iterator[Mapping[str, Any]]:
    return (_followed(document, one) for one in found)


def _followed(document: Mapping[str, Any], part: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in part:
        place: Any = document
        for step in part["$ref"].removeprefix("#/").split("/"):
            place = place[step]
        part = place
    return part


def values_of(document: Mapping[str, Any], schema: Mapping[str, Any]) -> set[str]:
    """The values of an enumeration; none for anything else."""
    for each in (schema, *schema.get("anyOf", [])):
        found = _followed(document, each)
        if "enum" in found:
            return set(found["enum"])
    return set()


def test_every_list_takes_time_and_state_by_the_same_names(app: FastAPI) -> None:
    document = app.openapi()
    found = list(listings(document))
    assert len(found) >= 26
    for one in found:
        names = set(one.parameters)
        wanted = set() if one.operation in WITHOUT_TIME else {"created_from", "created_to"}
        wanted |= set() if one.operation in WITHOUT_STATE else {"state"}
        assert wanted <= names, (one.operation, wanted - names)
        strangers = {"status", "since", "until", "from", "to"} & names
        strangers |= {name for name in names if name.endswith(("_after", "_before"))}
        assert not strangers, (one.operation, strangers)
        assert one.operation in WITHOUT_TIME or one.time in one.members, one.operation
    names = {one.operation for one in found}
    assert set(WITHOUT_TIME) | set(WITHOUT_STATE) | set(OTHER_TIMES) | set(STATES) <= names


def test_the_values_of_state_are_those_that_the_items_have(app: FastAPI) -> None:
    document = app.openapi()
    for one in listings(document):
        states = {
            name: values_of(document, schema)
            for name, schema in one.members.items()
            if name in {"state", "status"} or name.endswith(("_state", "_status"))
        }
        shown = {name: values for name, values in states.items() if values}
        if one.operation in WITHOUT_STATE:
            assert not shown, one.operation
            continue
        taken = values_of(document, one.parameters["state"]["schema"])
        assert taken, one.operation
        assert not shown or taken in shown.values(), (one.operation, taken, shown)


@pytest.fixture
async def world(
    api: httpx.AsyncClient, admin: Admin, operator: tenants.Connection, tenant: Account
) -> World:
    maker = Maker(api=api, admin=admin, operator=operator, account=tenant)
    return await three_of_everything(maker)


async def test_every_list_is_cut_by_time_and_state_and_its_cursors_by_both(
    app: FastAPI, api: httpx.AsyncClient, world: World
) -> None:
    for one in listings(app.openapi()):
        if one.operation in WITHOUT_TIME:
            continue
        url = one.path.format_map(world.ids)
        headers = world.person if one.operation == "list_sessions" else {}

        async def read(
            *, url: str = url, headers: Mapping[str, str] = headers, **query: str
        ) -> list[Any]:
            answer = await api.get(url, params={"limit": "200", **query}, headers=headers)
            assert answer.status_code == 200, (url, answer.text)
            items: list[Any] = answer.json()["items"]
            return items

        items = await read()
        await _cut_by_time(one, items, read)
        await _cut_by_state(app.openapi(), one, items, read)
        await _keeps_cursors_apart(api, url, headers)


async def _cut_by_time(one: Listing, items: list[Any], read: Callable[..., Any]) -> None:
    times = sorted({item[one.time] for item in items}, key=_instant)
    assert len(times) >= 3, (one.operation, "too few to tell")
    middle = times[len(times) // 2]
    for query, inside in (
        ({"created_from": middle}, lambda at: at >= _instant(middle)),
        ({"created_to": middle}, lambda at: at < _instant(middle)),
        ({"created_from": times[0], "created_to": middle}, lambda at: at < _instant(middle)),
        ({"created_from": middle, "created_to": middle}, lambda _: False),
        ({"created_from": BEGINNING}, lambda _: True),
        ({"created_to": BEGINNING}, lambda _: False),
    ):
        expected = [item for item in items if inside(_instant(item[one.time]))]
        assert await read(**query) == expected, (one.operation, query)


async def _cut_by_state(
    document: Mapping[str, Any], one: Listing, items: list[Any], read: Callable[..., Any]
) -> None:
    if one.operation in WITHOUT_STATE:
        return
    assert len({one.state_of(item) for item in items}) >= 2, (one.operation, "too few to tell")
    for state in values_of(document, one.parameters["state"]["schema"]):
        expected = [item for item in items if one.state_of(item) == state]
        assert await read(state=state) == expected, (one.operation, state)


async def _keeps_cursors_apart(
    api: httpx.AsyncClient, url: str, headers: Mapping[str, str]
) -> None:
    query = {"created_from": BEGINNING, "limit": "1"}
    first = (await api.get(url, params=query, headers=headers)).json()
    query["cursor"] = first["next_cursor"]
    second = await api.get(url, params=query, headers=headers)
    assert second.status_code == 200, (url, second.text)
    assert second.json()["items"] != first["items"], url
    for other in (
        {**query, "created_from": "2026-01-02T00:00:00Z"},
        {**query, "created_to": "2030-01-01T00:00:00Z"},
        {"limit": "1", "cursor": query["cursor"]},
    ):
        answer = await api.get(url, params=other, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "bad-cursor"), (url, other)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def test_an_unknown_state_and_a_time_without_a_zone_are_refused(
    app: FastAPI, api: httpx.AsyncClient
) -> None:
    for one in listings(app.openapi()):
        url = one.path.format_map(_Anything())
        for name, value in (
            ("state", "elsewhere"),
            ("created_from", "2026-11-01T00:00:00"),
            ("created_to", "yesterday"),
        ):
            if name in one.parameters:
                answer = await api.get(url, params={name: value})
                assert answer.status_code == 422, (one.operation, name)


class _Anything(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return str(new_id())


#: Named queries of lists that grow without bound, and the column by which an index finds the time.
UNBOUNDED = {
    ("messages", "list_messages"): "message_id",
    ("audit", "list_entries"): "entry_id",
    ("endpoints", "list_deliveries"): "event_id",
    ("contacts", "list_contacts"): "contact_id",
    ("inbound", "list_inbox"): "occurred_at",
}


@pytest.mark.parametrize(("noun", "query"), UNBOUNDED)
def test_lists_that_grow_without_bound_find_their_time_by_an_index(
    admin: Admin, tenant: Account, noun: str, query: str
) -> None:
    column = UNBOUNDED[noun, query]
    end = datetime.now(UTC)
    made = Made(created_from=end - timedelta(days=2), created_to=end - timedelta(days=1))
    given = _Null(made.near_ids() | {"tenant_id": tenant.tenant_id, "limit": 51})
    given |= {"endpoint_id": new_id()}
    # What small tables are read by says nothing of large ones: an index is what must be possible.
    admin.execute("set enable_seqscan = off")
    admin.execute("set enable_bitmapscan = off")
    # The query is a constant of ours; its name is all that varies.
    text = getattr(load(noun), query)
    plan = admin.execute(f"explain (costs off) {text}", given).fetchall()
    lines = [str(line) for (line,) in plan]
    bounds = [line for line in lines if "Index Cond" in line and f"{column} >= " in line]
    assert bounds, "\n".join(lines)
    assert all(f"{column} < " in line for line in bounds), "\n".join(lines)


class _Null(dict[str, object]):
    def __missing__(self, name: str) -> None:
        return None


@pytest.mark.parametrize(
    "instant",
    [
        datetime(2026, 11, 24, 12, 0, 0, 123_000, tzinfo=UTC),
        datetime(2026, 11, 24, 12, 0, 0, 123_001, tzinfo=UTC),
        datetime(2026, 11, 24, 12, 0, 0, 123_999, tzinfo=UTC),
        datetime.min.replace(tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
    ],
)
def test_ids_of_a_time_are_those_whose_own_instant_lies_in_it(instant: datetime) -> None:
    bounds = Made(created_from=instant, created_to=instant).ids()
    assert bounds["first_id"] == bounds["end_id"]
    assert isinstance(bounds["first_id"], UUID)
    if 1970 < instant.year < 9999:
        first = created_at(bounds["first_id"])
        assert instant <= first < instant + timedelta(milliseconds=1)
    near = Made(created_from=instant, created_to=instant).near_ids()
    assert near["first_id"] < near["end_id"]  # type: ignore[operator]
