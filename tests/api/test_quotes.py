"""What messages would cost: by the prices and the rules of a plan."""

from decimal import Decimal
from typing import Any

import httpx
import psycopg
import pytest

from core.dsn import DatabaseRole
from core.settings import Settings
from core.store import rate_cards, tenants
from core.store.database import open_pool
from sender.planner.planner import plan_next
from tests.api.conftest import Account, as_tenant
from tests.api.test_campaigns import make_campaign

Admin = psycopg.Connection[tuple[object, ...]]
#: Meta's list rates of the shipped cards (BRL from 2026-07-01, also where October has no new card).
MARKETING = Decimal("0.3217")
UTILITY = Decimal("0.0350")
BEFORE, AFTER = "2026-09-15T12:00:00Z", "2026-11-24T12:00:00Z"


@pytest.fixture(autouse=True)
def _rates(operator: tenants.Connection) -> None:
    rate_cards.import_shipped(operator)


async def ask(api: httpx.AsyncClient, **body: object) -> dict[str, Any]:
    answer = await api.post("/v1/quotes", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def some(category: str, messages: int, **place: object) -> dict[str, object]:
    return {"category": category, "messages": messages} | (place or {"country": "BR"})


async def test_counts_are_priced_by_category_market_and_window(
    api: httpx.AsyncClient, tenant: Account
) -> None:
    found = await ask(
        api,
        phone_number_id=tenant.phone_number_id,
        send_at=BEFORE,
        messages=[
            some("marketing", 1_000),
            some("utility", 100),
            some("utility", 10, country="BR", in_window=True),
            some("marketing", 5, country="BR", in_free_entry_point=True),
        ],
    )
    assert (found["campaign_id"], found["currency"], found["rate_date"]) == (
        None,
        "BRL",
        "2026-09-15",
    )
    high = MARKETING * 1_005 + UTILITY * 110
    assert Decimal(found["total_high"]) == Decimal(found["total"]) == high
    # Until 2026-09-30 utility was free in a service window; a free entry point is free for all.
    assert Decimal(found["total_low"]) == MARKETING * 1_000 + UTILITY * 100
    assert found["windows"] == {"service_window": 10, "free_entry_point": 5}
    assert [
        (line["category"], line["pricing_type"], line["messages"]) for line in found["lines"]
    ] == [
        ("marketing", "regular", 1_000),
        ("marketing", "free_entry_point", 5),
        ("utility", "regular", 100),
        ("utility", "free_customer_service", 10),
    ]
    assert {Decimal(line["rate"]) for line in found["lines"]} == {MARKETING, UTILITY}
    # From 2026-10-01 on Meta charges utility inside the window too.
    later = await ask(
        api,
        phone_number_id=tenant.phone_number_id,
        send_at=AFTER,
        messages=[some("utility", 10, country="BR", in_window=True)],
    )
    assert Decimal(later["total_low"]) == Decimal(later["total_high"]) > 0


async def test_what_has_no_market_or_no_rate_is_counted_and_never_zero(
    api: httpx.AsyncClient, tenant: Account
) -> None:
    found = await ask(
        api,
        phone_number_id=tenant.phone_number_id,
        messages=[
            some("marketing", 10),
            some("marketing", 3, market="Atlantis"),
            some("marketing", 4, country="ZZ"),
        ],
    )
    assert found["unknown_messages"] == 7
    assert Decimal(found["total"]) == MARKETING * 10
    unknown = [line for line in found["lines"] if line["cost"] is None]
    assert [(line["market"], line["rate"], line["cost_low"]) for line in unknown] == [
        ("Atlantis", None, None),
        (None, None, None),
    ]
    named = await ask(
        api,
        phone_number_id=tenant.phone_number_id,
        messages=[some("marketing", 10, market="Brazil")],
    )
    assert named["total"] == found["total"]


async def test_the_day_of_the_prices_is_that_of_the_account(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    wanted = {"phone_number_id": tenant.phone_number_id, "messages": [some("marketing", 1)]}
    # 02:00 UTC is still the day before in São Paulo.
    night = await ask(api, **wanted, send_at="2026-10-01T02:00:00Z")
    assert night["rate_date"] == "2026-09-30"
    admin.execute("update app.whatsapp_accounts set timezone = 'Asia/Tokyo'")
    assert (await ask(api, **wanted, send_at="2026-10-01T02:00:00Z"))["rate_date"] == "2026-10-01"


async def plan(settings: Settings, api: httpx.AsyncClient, campaign_id: object, **how: Any) -> Any:
    """Ask for a plan and have the planner make it; returns the campaign."""
    asked = await api.post(f"/v1/campaigns/{campaign_id}/plan", json=how)
    assert asked.status_code == 202, asked.text
    async with open_pool(settings.dsn(DatabaseRole.WORKER), name="planner") as pool:
        while await plan_next(pool):
            pass
    return (await api.get(f"/v1/campaigns/{campaign_id}")).json()


async def audience(api: httpx.AsyncClient, admin: Admin, account: Account) -> object:
    """A campaign to three people in two markets; one of them wrote lately."""
    campaign = await make_campaign(
        api, admin, account, parameters={"1": {"value": "Ana"}, "2": {"value": "Pinheiros"}}
    )
    for phone in ("+5511987654321", "+5511987654322", "+351912345678"):
        saved = await api.post(
            "/v1/contacts", json={"phone": phone, "list_id": campaign["list_id"]}
        )
        contact_id = saved.json()["contact"]["contact_id"]
        consent = {"purpose": "marketing", "action": "granted", "channel": "c", "text_version": "1"}
        await api.post("/v1/consents", json=consent | {"contact_id": contact_id})
    admin.execute(
        "insert into app.service_windows (tenant_id, phone_number_id, contact_id, opened_at,"
        " expires_at, free_entry_until) values (%s, %s, %s, now(), now() + interval '1 day',"
        " now() + interval '3 days')",
        (account.tenant_id, account.phone_number_id, contact_id),
    )
    return campaign["campaign_id"]


@pytest.mark.parametrize("dry_run", [True, False])
async def test_a_campaigns_quote_is_the_cost_of_its_plan(
    settings: Settings, api: httpx.AsyncClient, admin: Admin, tenant: Account, dry_run: bool
) -> None:
    campaign_id = await audience(api, admin, tenant)
    refused = await api.post("/v1/quotes", json={"campaign_id": campaign_id})
    assert (refused.status_code, refused.json()["code"]) == (409, "campaign-state")
    assert refused.json()["status_now"] == "draft"
    planned = await plan(settings, api, campaign_id, dry_run=dry_run)
    cost = planned["plan"]["cost"]
    assert cost["windows"] == {"service_window": 1, "free_entry_point": 1}
    found = await ask(api, campaign_id=campaign_id)
    assert found.pop("campaign_id") == campaign_id
    assert found == {name: value for name, value in cost.items() if name != "repriced_at"}
    # The same people, counted by hand.
    counted = await ask(
        api,
        phone_number_id=tenant.phone_number_id,
        messages=[
            {
                name: line[name]
                for name in ("category", "market", "messages", "in_window", "in_free_entry_point")
            }
            for line in cost["lines"]
        ],
    )
    assert counted.pop("campaign_id") is None
    assert counted == found
    # Another day has other prices, and changes nothing of the plan.
    assert (await ask(api, campaign_id=campaign_id, send_at=BEFORE))["rate_date"] == "2026-09-15"
    assert (await api.get(f"/v1/campaigns/{campaign_id}")).json() == planned


async def test_what_is_sent_already_is_not_quoted_again(
    settings: Settings, api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    campaign_id = await audience(api, admin, tenant)
    await plan(settings, api, campaign_id)
    admin.execute("update app.messages set state = 'accepted' where market = 'Brazil'")
    found = await ask(api, campaign_id=campaign_id)
    assert [(line["messages"], line["in_free_entry_point"]) for line in found["lines"]] == [
        (1, True)
    ]
    admin.execute("update app.messages set state = 'accepted'")
    found = await ask(api, campaign_id=campaign_id)
    assert (found["lines"], found["total"]) == ([], "0.000000")


async def test_a_quote_needs_a_campaign_or_a_number_with_messages(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, other: Account
) -> None:
    campaign = (await make_campaign(api, admin, tenant))["campaign_id"]
    number = tenant.phone_number_id
    few = [some("marketing", 1)]
    for body, pointer in (
        ({}, ""),
        ({"phone_number_id": number}, ""),
        ({"messages": few}, ""),
        ({"campaign_id": campaign, "messages": few}, ""),
        ({"phone_number_id": "299", "messages": few}, "/phone_number_id"),
        ({"phone_number_id": other.phone_number_id, "messages": few}, "/phone_number_id"),
        ({"phone_number_id": number, "messages": [some("marketing", 0)]}, "/messages/0/messages"),
        ({"phone_number_id": number, "messages": few * 501}, "/messages"),
        ({"phone_number_id": number, "messages": [{"category": "utility", "messages": 1}]}, None),
        (
            {
                "phone_number_id": number,
                "messages": [some("utility", 1, country="BR", market="Brazil")],
            },
            None,
        ),
        (
            {"phone_number_id": number, "messages": few, "send_at": "9999-12-31T23:59:59-11:00"},
            "/send_at",
        ),
        (
            {"phone_number_id": number, "messages": few, "send_at": "0001-01-01T00:00:00+11:00"},
            "/send_at",
        ),
    ):
        answer = await api.post("/v1/quotes", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input"), body
        if pointer is not None:
            assert pointer in {each["pointer"] for each in answer.json()["errors"]}, answer.text
    theirs = await api.post("/v1/quotes", json={"campaign_id": campaign}, headers=as_tenant(other))
    assert theirs.status_code == 404
