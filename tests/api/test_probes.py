"""Another tenant's ids, cursors, keys and tags answer exactly like nobody's, everywhere.

`make probes` asks 10,000 times (`ARGS="--probes 50000 --probe-seed 7"`); here it is a short form.
"""

import random
import statistics
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import httpx
import psycopg
import pytest

from api.app import create_app
from api.openapi import operations
from core.settings import Settings
from tests.api.conftest import Account, as_tenant, running
from tests.api.probes import Probe, Question, Things, make_probes, plain, plain_headers
from tests.api.test_isolation import things_of

Admin = psycopg.Connection[tuple[object, ...]]
_ENOUGH_FOR_TIMES = 20
_KEYS = 5_000
_NO_META = "http://127.0.0.1:9"
_FREE = (
    "read=9999999/60,write=9999999/60,message=9999999/60,transfer=9999999/60,anonymous=9999999/60"
)


@dataclass(slots=True)
class Times:
    """Seconds of the answers of one operation, for their things and for nobody's."""

    theirs: list[float] = field(default_factory=list)
    nobodys: list[float] = field(default_factory=list)

    @property
    def tell(self) -> bool:
        """Whether the one is answered in another time than the other: half as long again."""
        if len(self.theirs) < _ENOUGH_FOR_TIMES:
            return False
        one, other = statistics.median(self.theirs), statistics.median(self.nobodys)
        return abs(one - other) > 0.005 and max(one, other) > 1.5 * min(one, other)


async def gather_things(client: httpx.AsyncClient, admin: Admin, account: Account) -> Things:
    """One thing of every kind, and what this tenant got for asking after them."""
    client.headers.update(as_tenant(account))
    ids = await things_of(client, admin, account)
    ids |= {"phone_number_id": account.phone_number_id, "waba_id": account.waba_id}
    ids["tenant_id"] = str(account.tenant_id)
    for number in range(3):
        await client.post("/v1/lists", json={"name": f"{account.slug} {number}"})
    person = {"phone": "+55 11 98765-4321", "name": account.slug}
    headers = {"Idempotency-Key": "first"}
    assert (await client.post("/v1/contacts", json=person, headers=headers)).status_code < 300
    keys = [f"{account.slug}-{number}" for number in range(_KEYS)]
    admin.execute(
        "insert into app.idempotency_keys (tenant_id, idempotency_key, operation, request_hash,"
        " status_code, response) select k.tenant_id, unnest(%s::text[]), k.operation,"
        " k.request_hash, k.status_code, k.response from app.idempotency_keys as k"
        " where k.tenant_id = %s and k.idempotency_key = 'first'",
        (keys, account.tenant_id),
    )
    cursors, tags = {}, {}
    for method, path, operation in operations(client._transport.app.openapi()):  # type: ignore[attr-defined]
        if method != "get" or not path.startswith("/v1/"):
            continue
        query = {"limit": 1} if "next_cursor" in str(operation["responses"]["200"]) else {}
        answer = await client.get(path.format_map(ids), params=query)
        if answer.status_code == 200 and "json" in answer.headers["content-type"]:
            if cursor := answer.json().get("next_cursor"):
                cursors[path] = cursor
            if "etag" in answer.headers:
                tags[path] = answer.headers["etag"]
    assert len(cursors) >= 3
    assert len(tags) >= 6
    return Things(ids=ids, cursors=cursors, tags=tags, keys=tuple(keys))


def everything_of(admin: Admin, account: Account) -> dict[str, str | None]:
    """A digest of every row of a tenant, by table."""
    tables = admin.execute(
        "select c.oid::regclass::text from pg_class as c"
        " inner join pg_attribute as a on a.attrelid = c.oid and a.attname = 'tenant_id'"
        " where c.relkind in ('r', 'p') and not c.relispartition"
        " and c.relnamespace::regnamespace::text in ('app', 'billing')"
    ).fetchall()
    digests = {}
    for (table,) in tables:
        row = admin.execute(
            f"select md5(string_agg(t::text, '|' order by t::text)) from {table} as t"
            " where tenant_id = %s",
            (account.tenant_id,),
        ).fetchone()
        digests[str(table)] = None if row is None or row[0] is None else str(row[0])
    assert len([each for each in digests.values() if each]) >= 15
    return digests


class Asker:
    """Asks both questions of a probe, in an order that is drawn, and holds them together."""

    def __init__(self, client: httpx.AsyncClient, marks: tuple[str, ...], seed: int) -> None:
        self._client = client
        self._marks = marks
        self._chance = random.Random(seed)
        self.times: defaultdict[str, Times] = defaultdict(Times)
        self.statuses: Counter[int] = Counter()
        self.differences: list[str] = []

    async def ask(self, probe: Probe) -> None:
        if probe.place.startswith("header:"):
            await self._send(probe.rehearsal)
        answers: dict[str, httpx.Response] = {}
        times = self.times[f"{probe.operation} {probe.place}"]
        for whose in self._chance.sample(["theirs", "nobodys"], 2):
            began = time.perf_counter()
            answers[whose] = await self._send(getattr(probe, whose))
            getattr(times, whose).append(time.perf_counter() - began)
        self.statuses[answers["theirs"].status_code] += 1
        self._compare(probe, answers["theirs"], answers["nobodys"])

    async def _send(self, question: Question) -> httpx.Response:
        return await self._client.request(
            question.method,
            question.path,
            params=dict(question.query) or None,
            headers=dict(question.headers),
            json=question.body,
        )

    def _compare(self, probe: Probe, theirs: httpx.Response, nobodys: httpx.Response) -> None:
        values = (probe.their_value, probe.nobodys_value)
        ours = [_comparable(answer, *values) for answer in (theirs, nobodys)]
        where = f"{probe.operation} {probe.place} {probe.their_value}"
        if ours[0] != ours[1]:
            self.differences.append(f"{where}: {ours[0]} != {ours[1]}")
        told = theirs.text.replace(probe.their_value, "")
        if any(mark in told for mark in self._marks):
            self.differences.append(f"{where}: tells something of the other tenant")


def _comparable(answer: httpx.Response, *values: str) -> tuple[int, str, dict[str, str]]:
    return (
        answer.status_code,
        plain(answer.text, *values),
        plain_headers(answer.headers, *values),
    )


@pytest.mark.slow
@pytest.mark.timeout(7200)
async def test_the_other_tenants_things_answer_like_nobodys_in_every_place(
    settings: Settings, admin: Admin, tenant: Account, other: Account, pytestconfig: pytest.Config
) -> None:
    count, seed = pytestconfig.getoption("probes"), pytestconfig.getoption("probe_seed")
    app = create_app(settings.model_copy(update={"rate_limits": _FREE, "meta_base_url": _NO_META}))
    async with running(app) as client:
        theirs = await gather_things(client, admin, tenant)
        own = await gather_things(client, admin, other)
        # From here on only the second tenant asks, and nobody looks at the document.
        client.event_hooks = {}
        before = everything_of(admin, tenant)
        marks = (tenant.slug, *(value for value in theirs.ids.values() if len(value) > 14))
        asker = Asker(client, marks, seed)
        probes = list(make_probes(app.openapi(), theirs, own, count=count, seed=seed))
        for probe in probes:
            await asker.ask(probe)
    assert not asker.differences, "\n".join(asker.differences[:5])
    assert everything_of(admin, tenant) == before
    slow = {name: times for name, times in asker.times.items() if times.tell}
    assert not slow, slow.keys()
    # 502: a question with an own thing in it reached out for Meta.
    assert not any(status >= 500 and status != 502 for status in asker.statuses), asker.statuses
    # They got as far as looking for the thing, and not only to a form that was filled in wrongly.
    assert asker.statuses[404] > count // 6, asker.statuses
    print(f"\n{len(probes)} probes with seed {seed}, {len(asker.times)} places: {asker.statuses}")
