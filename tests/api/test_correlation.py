"""One id from the request to the ticket and the webhook of what it set off."""

import asyncio
import time
from collections.abc import Callable

import httpx
import psycopg
from jsonschema import Draft202012Validator

from api.openapi_webhooks import data_schema
from core.broker.envelopes import Ticket
from core.domain.ids import new_id
from core.domain.tenant_events import TenantEventType
from core.dsn import DatabaseRole
from core.settings import Settings
from core.store import deliveries
from core.store.database import open_pool, platform_transaction
from sender.pacer.pacer import Pacer
from tests.api.conftest import Account
from tests.api.test_campaigns import make_campaign, make_template, planned
from tests.api.test_messages import key, template_message
from tests.sender.test_pacer import Notebook, session_of

Admin = psycopg.Connection[tuple[object, ...]]
_HAPPEN = (
    "insert into raw.message_events (tenant_id, message_id, campaign_id, contact_pseudonym,"
    " waba_id, phone_number_id, event_type, category, occurred_at) select tenant_id, message_id,"
    " campaign_id, contact_pseudonym, waba_id, phone_number_id, 'accepted', category, now()"
    " from app.messages"
)


def named() -> tuple[str, dict[str, str]]:
    """A request id of the caller's choice, and the header that carries it."""
    request_id = str(new_id())
    return request_id, {"X-Request-Id": request_id}


async def tickets_of(settings: Settings, wanted: Callable[[list[Ticket]], bool]) -> list[Ticket]:
    """What the pacer issues until there is enough."""
    notebook, end = Notebook(), time.monotonic() + 20
    async with await session_of(settings) as session:
        pacer = Pacer(session, notebook)
        while not wanted(notebook.tickets):
            await pacer.tick()
            await asyncio.sleep(0.02)
            assert time.monotonic() < end, notebook.tickets
    return notebook.tickets


async def told(settings: Settings, admin: Admin) -> dict[str, object]:
    """By type, the request that each event names, after the notifier has read message events."""
    admin.execute(_HAPPEN)
    async with (
        open_pool(settings.dsn(DatabaseRole.WORKER), name="notifier") as pool,
        platform_transaction(pool) as connection,
    ):
        assert await deliveries.tell_message_events(connection, limit=100) > 0
    rows = admin.execute("select event_type, data from app.tenant_events").fetchall()
    for event_type, data in rows:
        Draft202012Validator(data_schema(TenantEventType(str(event_type)))).validate(data)
    return {str(kind): data.get("request_id") for kind, data in rows}  # type: ignore[attr-defined]


async def listen(api: httpx.AsyncClient) -> None:
    wanted = {"url": "https://93.184.215.14/hooks", "event_types": ["*"]}
    answer = await api.post("/v1/webhook-endpoints", json=wanted)
    assert answer.status_code == 201, answer.text


async def test_a_single_message_s_ticket_and_webhooks_name_the_request_that_asked_for_it(
    api: httpx.AsyncClient, admin: Admin, settings: Settings, tenant: Account
) -> None:
    make_template(admin, tenant, category="utility")
    await listen(api)
    first, header = named()
    wanted = template_message(tenant)
    assert (await api.post("/v1/messages", json=wanted, headers=key() | header)).status_code == 202
    (ticket,) = await tickets_of(settings, lambda tickets: len(tickets) == 1)
    assert [str(request) for request in ticket.request_ids] == [first]
    assert (await told(settings, admin))["message.accepted"] == first
    # A ticket of two requests names both, each once.
    second, header = named()
    assert (await api.post("/v1/messages", json=wanted, headers=key() | header)).status_code == 202
    tickets = await tickets_of(settings, lambda found: sum(len(t.message_ids) for t in found) == 2)
    assert {str(request) for each in tickets for request in each.request_ids} == {first, second}


async def test_a_campaign_s_tickets_and_webhooks_name_the_request_that_launched_it(
    api: httpx.AsyncClient, admin: Admin, settings: Settings, tenant: Account
) -> None:
    await listen(api)
    campaign = await make_campaign(api, admin, tenant)
    planned(admin, tenant, campaign["campaign_id"], 30)
    url = f"/v1/campaigns/{campaign['campaign_id']}"
    approved, header = named()
    await api.post(f"{url}/approve", json={"plan_hash": "hash-of-the-plan"}, headers=header)
    launched, header = named()
    assert (await api.post(f"{url}/launch", headers=header)).status_code == 200
    tickets = await tickets_of(settings, lambda found: sum(len(t.message_ids) for t in found) >= 30)
    assert {tuple(str(r) for r in each.request_ids) for each in tickets} == {(launched,)}
    names = await told(settings, admin)
    assert names["campaign.approved"] == approved
    assert names["campaign.started"] == names["message.accepted"] == launched


async def test_a_request_leaves_no_name_behind_for_the_next_on_the_same_connection(
    api: httpx.AsyncClient, admin: Admin, settings: Settings, tenant: Account
) -> None:
    make_template(admin, tenant, category="utility")
    ids = []
    for _ in range(8):
        request_id, header = named()
        ids.append(request_id)
        answer = await api.post(
            "/v1/messages", json=template_message(tenant), headers=key() | header
        )
        assert answer.status_code == 202, answer.text
    found = admin.execute("select request_id::text from app.messages order by message_id")
    assert [row[0] for row in found] == ids
    async with (
        open_pool(settings.dsn(DatabaseRole.APP), name="nobody") as pool,
        platform_transaction(pool) as connection,
    ):
        cursor = await connection.execute("select app.current_request_id()")
        assert await cursor.fetchone() == (None,)
