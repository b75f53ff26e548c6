"""While the API is read-only, changes get 503 and everything else works."""

from datetime import timedelta

import httpx

from core.domain.switches import SwitchScope
from core.store import switches, tenants
from core.store.switches import Target
from tests.api.conftest import Account


async def test_changes_are_refused_with_a_time_and_reads_work(
    api: httpx.AsyncClient, operator: tenants.Connection, tenant: Account
) -> None:
    switch_id = switches.set_switch(
        operator,
        Target(scope=SwitchScope.API_READ_ONLY),
        lasting=timedelta(minutes=10),
        reason="migration",
        actor="ana",
    )
    refused = await api.post("/v1/lists", json={"name": "Todos"})
    assert refused.status_code == 503
    assert refused.json()["code"] == "read-only"
    assert 1 <= int(refused.headers["Retry-After"]) <= 300
    assert (await api.get("/v1/lists")).status_code == 200
    # Meta's webhooks are not changes of a tenant: here it is the signature that is refused.
    assert (await api.post("/webhooks/meta", content=b"{}")).status_code == 401
    assert switches.lift_switch(operator, switch_id, actor="ana")


async def test_an_api_that_is_not_read_only_changes_things(
    api: httpx.AsyncClient, tenant: Account
) -> None:
    answer = await api.post(
        "/v1/lists", json={"name": "Todos"}, headers={"Idempotency-Key": "a-key"}
    )
    assert answer.status_code == 201
