"""What works for a tenant now, and until when what doesn't."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from core.clock import utc_now
from core.domain.ids import CampaignId, PhoneNumberId
from core.domain.switches import SwitchScope
from core.settings import Settings
from core.store import tenants
from core.store.switches import find_target, lift_switch, set_switch
from tests.api.conftest import Account, as_tenant
from tests.api.test_campaigns import make_campaign, planned
from tests.api.test_messages import key
from tests.api.test_webhook_endpoints import make_id

Admin = psycopg.Connection[tuple[object, ...]]
SECRET = "complaint 4711 of another shop"


async def status(api: httpx.AsyncClient, **headers: str) -> dict[str, Any]:
    answer = await api.get("/v1/status", headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def causes(found: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [(each["cause"], each["subject"]) for each in found["causes"]]


@pytest.fixture
def switch(operator: tenants.Connection) -> Callable[..., UUID]:
    def turn_on(scope: SwitchScope, **target: Any) -> UUID:
        found = find_target(operator, scope, **target)
        return set_switch(operator, found, lasting=timedelta(hours=1), reason=SECRET, actor="rui")

    return turn_on


async def test_where_nothing_is_wrong_the_state_is_ok(
    api: httpx.AsyncClient, tenant: Account, settings: Settings
) -> None:
    found = await status(api)
    assert (found["state"], found["causes"]) == ("ok", [])
    assert (found["accepts_changes"], found["sends"]) == (True, True)
    assert set(found["waiting_since"].values()) == {None}
    assert abs(datetime.fromisoformat(found["as_of"]) - utc_now()) < timedelta(seconds=10)
    assert found["broker"] == ("ok" if settings.broker_url else "not_set")


async def test_every_switch_is_told_with_its_end_and_without_its_reason(
    api: httpx.AsyncClient,
    admin: Admin,
    operator: tenants.Connection,
    tenant: Account,
    switch: Callable[..., UUID],
) -> None:
    campaign = str((await make_campaign(api, admin, tenant))["campaign_id"])
    for scope, target, cause, subject, state in (
        (SwitchScope.EVERYTHING, {}, "sending_stopped", None, "stopped"),
        (SwitchScope.TENANT, {"slug": tenant.slug}, "tenant_stopped", None, "stopped"),
        (
            SwitchScope.CAMPAIGN,
            {"campaign_id": CampaignId(campaign)},  # type: ignore[arg-type]
            "campaign_stopped",
            campaign,
            "degraded",
        ),
        (
            SwitchScope.NUMBER,
            {"phone_number_id": PhoneNumberId(tenant.phone_number_id)},
            "number_stopped",
            tenant.phone_number_id,
            "degraded",
        ),
        (SwitchScope.WEBHOOKS_ACCEPT_ONLY, {}, "webhooks_not_applied", None, "degraded"),
        (SwitchScope.API_READ_ONLY, {}, "api_read_only", None, "degraded"),
    ):
        switch_id = switch(scope, **target)
        found = await status(api)
        assert (found["state"], causes(found)) == (state, [(cause, subject)])
        assert found["sends"] == (state != "stopped")
        assert found["accepts_changes"] == (scope is not SwitchScope.API_READ_ONLY)
        until = datetime.fromisoformat(found["causes"][0]["until"])
        assert timedelta(minutes=55) < until - utc_now() <= timedelta(hours=1)
        assert SECRET not in str(found)
        assert "rui" not in str(found)
        assert lift_switch(operator, switch_id, actor="rui")
        assert (await status(api))["state"] == "ok"


async def test_another_tenants_stops_and_backlogs_are_not_told(
    api: httpx.AsyncClient,
    admin: Admin,
    tenant: Account,
    other: Account,
    switch: Callable[..., UUID],
) -> None:
    campaign = await make_campaign(api, admin, tenant)
    switch(SwitchScope.TENANT, slug=tenant.slug)
    switch(SwitchScope.CAMPAIGN, campaign_id=CampaignId(UUID(str(campaign["campaign_id"]))))
    switch(SwitchScope.NUMBER, phone_number_id=PhoneNumberId(tenant.phone_number_id))
    endpoint = await make_id(api)
    hold_back(admin, tenant)
    admin.execute(
        "update app.webhook_endpoints set enabled = false, disabled_reason = 'gone',"
        " disabled_at = now() where endpoint_id = %s",
        (endpoint,),
    )
    await queue_message(api, tenant, ago=timedelta(minutes=10), admin=admin)
    assert len((await status(api))["causes"]) == 7
    theirs = await status(api, **as_tenant(other))
    assert (theirs["state"], theirs["causes"]) == ("ok", [])
    assert set(theirs["waiting_since"].values()) == {None}


def hold_back(admin: Admin, account: Account) -> None:
    """Pause the number, block its account."""
    admin.execute(
        "update app.phone_numbers set paused_until = now() + interval '1 hour',"
        " pause_reason = 'spam_limit' where tenant_id = %s",
        (account.tenant_id,),
    )
    admin.execute(
        "update app.whatsapp_accounts set blocked_reason = 'token_expired', blocked_at = now()"
        " where tenant_id = %s",
        (account.tenant_id,),
    )


async def queue_message(
    api: httpx.AsyncClient, account: Account, *, ago: timedelta, admin: Admin
) -> datetime:
    """A single message that was accepted some time ago; returns when."""
    body = {
        "phone_number_id": account.phone_number_id,
        "to": "+5511987654321",
        "text": {"body": "Oi"},
    }
    sent = await api.post("/v1/messages", json=body, headers=key())
    assert sent.status_code == 202, sent.text
    at = datetime.now(UTC) - ago
    admin.execute(
        "update app.messages set created_at = %s where message_id = %s",
        (at, sent.json()["message_id"]),
    )
    return at


async def test_what_holds_numbers_accounts_and_endpoints_back_is_told(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    hold_back(admin, tenant)
    mine, failing = await make_id(api), await make_id(api)
    off = await api.patch(f"/v1/webhook-endpoints/{mine}", json={"enabled": False})
    assert off.status_code == 200
    admin.execute(
        "update app.webhook_endpoints set enabled = false, disabled_reason = 'failing',"
        " disabled_at = now() where endpoint_id = %s",
        (failing,),
    )
    found = await status(api)
    assert (found["state"], found["sends"]) == ("degraded", True)
    # Whoever switched an endpoint off knows.
    assert causes(found) == [
        ("account_blocked", tenant.waba_id),
        ("endpoint_disabled", failing),
        ("number_paused", tenant.phone_number_id),
    ]
    since = [each["since"] is not None for each in found["causes"]]
    until = [each["until"] is not None for each in found["causes"]]
    assert (since, until) == ([True, True, False], [False, False, True])
    admin.execute("update app.phone_numbers set paused_until = '9999-01-01'")
    assert (await status(api))["causes"][2]["until"] is None


async def test_a_single_message_is_late_after_a_minute_and_one_for_later_is_not(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    at = await queue_message(api, tenant, ago=timedelta(seconds=30), admin=admin)
    found = await status(api)
    assert found["causes"] == []
    assert datetime.fromisoformat(found["waiting_since"]["single_messages"]) == at
    admin.execute("update app.messages set created_at = now() - interval '2 minutes'")
    assert causes(await status(api)) == [("messages_late", None)]
    admin.execute("update app.messages set not_before = now() + interval '1 hour'")
    found = await status(api)
    assert (found["causes"], found["waiting_since"]["single_messages"]) == ([], None)
    admin.execute("update app.messages set not_before = null, state = 'accepted'")
    assert (await status(api))["waiting_since"]["single_messages"] is None


async def test_a_campaign_waits_while_it_has_messages_that_may_go(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    campaign = await make_campaign(api, admin, tenant)
    planned(admin, tenant, campaign["campaign_id"], 2)
    assert (await status(api))["waiting_since"]["campaigns"] is None
    launched = datetime.now(UTC) - timedelta(hours=2)
    admin.execute("update app.campaigns set status = 'running', launched_at = %s", (launched,))
    found = await status(api)
    assert datetime.fromisoformat(found["waiting_since"]["campaigns"]) == launched
    assert found["state"] == "ok"
    admin.execute("update app.messages set not_before = now() + interval '1 hour'")
    assert (await status(api))["waiting_since"]["campaigns"] is None


async def test_late_webhooks_of_ours_and_of_metas_are_told(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    endpoint = await make_id(api)
    await api.post(f"/v1/webhook-endpoints/{endpoint}/test")
    admin.execute("update app.webhook_queue set due_at = now() - interval '1 minute'")
    assert (await status(api))["causes"] == []
    admin.execute("update app.webhook_queue set due_at = now() - interval '6 minutes'")
    assert causes(await status(api)) == [("deliveries_late", None)]
    # What an endpoint asked for itself, by its errors or its rest, is not ours.
    admin.execute("update app.webhook_queue set due_at = now() + interval '6 minutes'")
    assert (await status(api))["waiting_since"]["deliveries"] is None
    for minutes in (2, 1):
        admin.execute(
            "insert into raw.webhook_queue (body_id, received_at) values (%s, now() - %s)",
            (10 - minutes, timedelta(minutes=minutes)),
        )
    found = await status(api)
    assert causes(found) == [("webhooks_late", None)]
    late = utc_now() - datetime.fromisoformat(found["waiting_since"]["meta_webhooks"])
    assert timedelta(minutes=2) <= late < timedelta(minutes=2, seconds=30)
    # One that met an error comes round again: the line goes on without it.
    admin.execute("update raw.webhook_queue set not_before = now() + interval '1 hour'")
    assert (await status(api))["state"] == "ok"
