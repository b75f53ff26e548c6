"""How often somebody may ask, in Redis and without it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import chain
from urllib.parse import urlsplit

import httpx
import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis

from api.app import create_app
from api.rate_limits import CLASSES, LIMITS, PATIENCE_SECONDS, REST_SECONDS, LimitClass
from api.scopes import Scope
from core.errors import ConfigurationError
from core.settings import Settings
from core.store import tenants
from tests.api.conftest import Account, as_tenant, running
from tests.api.test_authentication import log_in, operations
from tests.api.test_webhook_landing import URL, signed
from tests.support.gates import Gate

TIGHT = "read=3/60,write=2/60,anonymous=4/60,auth=2/60"


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that does ten things at once, 50 ms pass without anybody being away."""
    monkeypatch.setattr("api.rate_limits.PATIENCE_SECONDS", 10.0)


def counted_by(whom: str) -> float:
    return REGISTRY.get_sample_value("carteiro_rate_counted_total", {"by": whom}) or 0.0


@asynccontextmanager
async def serving(settings: Settings, limits: str, **more: str) -> AsyncIterator[httpx.AsyncClient]:
    changed = settings.model_copy(update={"rate_limits": limits, **more})
    async with running(create_app(changed)) as client:
        yield client


async def statuses(client: httpx.AsyncClient, account: Account, times: int) -> list[int]:
    headers = as_tenant(account)
    return [(await client.get("/v1/lists", headers=headers)).status_code for _ in range(times)]


async def test_every_answer_to_a_caller_says_what_is_left_of_the_limit(
    settings: Settings, tenant: Account
) -> None:
    async with serving(settings, TIGHT) as client:
        read = await client.get("/v1/lists", headers=as_tenant(tenant))
        assert read.headers["ratelimit-policy"] == '"read";q=3;w=60'
        assert read.headers["ratelimit"] == '"read";r=2;t=20'
        # Classes are counted apart, and what is refused for another reason was a request too.
        write = await client.post("/v1/lists", json={"nome": "x"}, headers=as_tenant(tenant))
        assert (write.status_code, write.headers["ratelimit"]) == (422, '"write";r=1;t=30')


@pytest.mark.usefixtures("patient")
async def test_more_than_the_limit_is_429_until_the_seconds_of_retry_after_are_over(
    settings: Settings, tenant: Account, redis_url: str
) -> None:
    async with serving(settings, "read=2/2", redis_url=redis_url) as client:
        first = [await client.get("/v1/lists", headers=as_tenant(tenant)) for _ in range(3)]
        assert [answer.status_code for answer in first] == [200, 200, 429]
        assert first[2].json()["code"] == "rate-limited"
        assert first[2].headers["retry-after"] == "1"
        assert first[2].headers["ratelimit"].startswith('"read";r=0;t=')
        await asyncio.sleep(1)
        # One has come back in a second, not two.
        assert await statuses(client, tenant, 2) == [200, 429]


async def test_one_credential_does_not_use_up_what_another_has(
    settings: Settings, operator: tenants.Connection, tenant: Account, other: Account
) -> None:
    second = tenants.create_api_key(
        operator, tenant_id=tenant.tenant_id, name="b", scopes=[Scope.CONTACTS_READ.value]
    )
    async with serving(settings, TIGHT) as client:
        assert await statuses(client, tenant, 4) == [200, 200, 200, 429]
        again = {"Authorization": f"Bearer {second.plaintext}"}
        assert (await client.get("/v1/lists", headers=again)).status_code == 200
        assert await statuses(client, other, 1) == [200]


@pytest.mark.usefixtures("patient")
async def test_all_processes_count_together(
    settings: Settings, tenant: Account, redis_url: str
) -> None:
    before = counted_by("redis")
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(serving(settings, TIGHT, redis_url=redis_url))
            for _ in range(3)
        ]
        answers = await asyncio.gather(*(statuses(client, tenant, 4) for client in clients))
    assert sorted(chain.from_iterable(answers)) == [200] * 3 + [429] * 9
    assert counted_by("redis") - before == 12


async def test_a_tenant_may_have_a_multiple_of_the_limits(
    settings: Settings, tenant: Account, other: Account
) -> None:
    more = {"rate_limit_tenants": f"{tenant.tenant_id}=2"}
    async with serving(settings, TIGHT, **more) as client:
        assert await statuses(client, tenant, 7) == [200] * 6 + [429]
        assert await statuses(client, other, 4) == [200] * 3 + [429]


async def test_strangers_are_counted_by_their_address_also_when_they_try_keys(
    settings: Settings, tenant: Account
) -> None:
    async with serving(settings, TIGHT) as client:
        codes = [(await client.get("/problems")).status_code for _ in range(2)]
        for wrong in ({}, {"Authorization": "Bearer ctr_live_x_y"}, {"Authorization": "Bearer z"}):
            answer = await client.get("/v1/lists", headers=wrong)
            codes.append(answer.status_code)
        assert codes == [200, 200, 401, 401, 429]
        logins = [(await log_in(client)).status_code for _ in range(3)]
        assert logins == [401, 401, 429]
        # Neither probes nor Meta nor a good key pay for it.
        assert (await client.get("/health/live")).status_code == 200
        assert (await client.post(URL, content=b"[1]", headers=signed(b"[1]"))).status_code == 200
        assert await statuses(client, tenant, 1) == [200]


@asynccontextmanager
async def behind_a_gate(url: str) -> AsyncIterator[tuple[Gate, str]]:
    address = urlsplit(url)
    gate = Gate(str(address.hostname), address.port or 6379)
    await gate.open()
    login, _, _ = address.netloc.rpartition("@")
    netloc = f"{login}@127.0.0.1:{gate.port}" if login else f"127.0.0.1:{gate.port}"
    try:
        yield gate, address._replace(netloc=netloc).geturl()
    finally:
        await gate.shut()


@pytest.mark.parametrize("away", ["shut", "frozen"])
async def test_without_redis_each_process_counts_alone_and_nobody_waits_for_it(
    settings: Settings, tenant: Account, other: Account, redis_url: str, away: str
) -> None:
    async with (
        behind_a_gate(redis_url) as (gate, url),
        serving(settings, TIGHT, redis_url=url) as client,
    ):
        before = counted_by("redis")
        assert await statuses(client, tenant, 1) == [200]
        assert counted_by("redis") == before + 1
        if away == "shut":
            await gate.shut()
        else:
            gate.freeze()
        started = time.monotonic()
        assert await statuses(client, tenant, 4) == [200, 200, 200, 429]
        # One of the four waits, bounded; the database has its part in the rest.
        assert time.monotonic() - started < PATIENCE_SECONDS + 0.5
        assert counted_by("redis") == before + 1
        if away == "shut":
            await gate.open()
        else:
            gate.thaw()
        await asyncio.sleep(REST_SECONDS)
        assert await statuses(client, other, 1) == [200]
        assert counted_by("redis") == before + 2


async def test_every_operation_has_a_class_and_the_table_names_no_other(
    settings: Settings,
) -> None:
    known = {operation["operationId"] for _, _, operation in operations(create_app(settings))}
    assert set(CLASSES) <= known
    assert set(LIMITS) == set(LimitClass)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rate_limits", "read=0/60"),
        ("rate_limits", "reads=10/60"),
        ("rate_limits", "read=10"),
        ("rate_limit_tenants", "padaria=10"),
        ("rate_limit_tenants", "019ab3f2-a001-7000-8000-0000000000d1=0"),
    ],
)
async def test_a_limit_that_cannot_be_read_stops_the_start(
    settings: Settings, name: str, value: str
) -> None:
    app = create_app(settings.model_copy(update={name: value}))
    with pytest.raises(ConfigurationError, match=f"CARTEIRO_{name.upper()}"):
        async with running(app):
            pass


@pytest.mark.usefixtures("patient")
async def test_a_redis_that_has_forgotten_script_and_counts_counts_anew(
    settings: Settings, tenant: Account, redis_url: str
) -> None:
    before = counted_by("redis")
    async with serving(settings, TIGHT, redis_url=redis_url) as client:
        assert await statuses(client, tenant, 4) == [200] * 3 + [429]
        async with Redis.from_url(redis_url) as redis:
            await redis.flushdb()
            await redis.script_flush()
        assert await statuses(client, tenant, 4) == [200] * 3 + [429]
    assert counted_by("redis") - before == 8
