"""Three of everything that a list shows, made one after the other, in states that differ."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import psycopg

from core.domain.ids import PhoneNumberId, WabaId, new_id
from core.store import tenants
from tests.api.conftest import Account, finish_imports
from tests.api.test_authentication import log_in, make_user
from tests.api.test_campaign_series import made as occurrence_of
from tests.api.test_campaign_series import wish
from tests.api.test_campaigns import make_template, planned
from tests.api.test_isolation import make_invoice
from tests.api.test_media import PNG, upload
from tests.api.test_webhook_endpoints import add_deliveries

Admin = psycopg.Connection[tuple[object, ...]]
_CSV = {"Content-Type": "text/csv"}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A tenant with three of everything."""

    #: What stands in addresses.
    ids: Mapping[str, str]
    #: The bearer of a person, for what a key has none of.
    person: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """Who makes it, for whom."""

    api: httpx.AsyncClient
    admin: Admin
    operator: tenants.Connection
    account: Account

    async def post(self, path: str, body: object = None, **more: Any) -> dict[str, Any]:
        """Make something. Fails the test when it isn't made."""
        answer = await self.api.post(path, json=body, **more)
        assert answer.status_code < 300, (path, answer.text)
        found: dict[str, Any] = answer.json()
        return found

    def set(self, table: str, key: str, column: str, values: Mapping[object, object]) -> None:
        """Put rows into states that only the machinery behind the API reaches."""
        for identifier, value in values.items():
            self.admin.execute(
                f"update {table} set {column} = %s where {key} = %s", (value, identifier)
            )


async def three_of_everything(maker: Maker) -> World:
    """Whatever has a list, three times."""
    people = await _people(maker)
    campaigns = await _campaigns(maker)
    endpoint_id = await _machinery(maker)
    await _of_meta(maker, people[0])
    person = await _account(maker)
    ids = {"contact_id": people[0], "endpoint_id": endpoint_id, **campaigns}
    return World(ids=ids, person=person)


async def _people(maker: Maker) -> list[str]:
    contacts = []
    for number in range(3):
        phone = f"+551198765432{number}"
        contact = (await maker.post("/v1/contacts", {"phone": phone}))["contact"]["contact_id"]
        contacts.append(contact)
        await maker.post("/v1/lists", {"name": f"list {number}"})
        await maker.post("/v1/contact-attributes", {"name": f"a{number}", "type": "text"})
        await maker.post("/v1/segments", {"name": f"s{number}", "filter": "suppressed"})
        await maker.post("/v1/suppressions", {"contact_id": contact, "reason": "other"})
        consent = {"purpose": "marketing", "action": "granted", "channel": "c", "text_version": "1"}
        await maker.post("/v1/consents", consent | {"contact_id": contacts[0]})
    for number in range(3):
        text = f"phone\n+551196765432{number}\n"
        await maker.post("/v1/contacts/imports?list=l", content=text, headers=_CSV)
        if not number:
            await finish_imports(maker.api)
    return contacts


async def _campaigns(maker: Maker) -> dict[str, str]:
    wanted = await wish(maker.api, maker.admin, maker.account)
    series = [
        (await maker.post("/v1/campaign-series", wanted | {"name": f"n{number}"}))["series_id"]
        for number in range(3)
    ]
    for status in ("approved", "running", "cancelled"):
        occurrence_of(maker.admin, maker.account, series[0], status=status)
    maker.set("app.campaign_series", "series_id", "status", {series[1]: "paused"})
    one = {
        name: wanted[name]
        for name in ("phone_number_id", "template_id", "list_id", "parameters", "name")
    }
    campaigns = [(await maker.post("/v1/campaigns", one))["campaign_id"] for _ in range(3)]
    for campaign_id in campaigns:
        planned(maker.admin, maker.account, campaign_id, 1)
    maker.set("app.campaigns", "campaign_id", "status", {campaigns[1]: "running"})
    again = {"dry_run": False, "expected_messages": 1}
    for number in range(3):
        maker.set("app.messages", "campaign_id", "state", {campaigns[1]: "failed"})
        redrive = await maker.post(f"/v1/campaigns/{campaigns[1]}/redrives", again)
        done = "now()" if number else "null"
        maker.admin.execute(
            f"update app.redrives set redriven = 1, finished_at = {done} where redrive_id = %s",
            (redrive["redrive"]["redrive_id"],),
        )
    for category, status in (("utility", "PAUSED"), ("authentication", "REJECTED")):
        make_template(maker.admin, maker.account, category=category, status=status)
    return {"campaign_id": campaigns[1], "series_id": series[0]}


async def _machinery(maker: Maker) -> str:
    for number in range(3):
        answer = await upload(maker.api, PNG + bytes([number]))
        assert answer.status_code == 201, answer.text
    exports = [
        (await maker.post("/v1/exports", {"dataset": "usage", "format": "csv"}))["export_id"]
        for _ in range(3)
    ]
    maker.set("app.exports", "export_id", "status", {exports[0]: "failed", exports[1]: "expired"})
    endpoints = [
        (await maker.post("/v1/webhook-endpoints", {"url": "https://8.8.8.8/"}))["endpoint"]
        for _ in range(3)
    ]
    first, last = endpoints[0]["endpoint_id"], endpoints[2]["endpoint_id"]
    off = await maker.api.patch(f"/v1/webhook-endpoints/{last}", json={"enabled": False})
    assert off.status_code == 200, off.text
    add_deliveries(maker.admin, maker.account, first, "failed", "delivered", "failed")
    return str(first)


async def _of_meta(maker: Maker, contact_id: str) -> None:
    tenant_id = maker.account.tenant_id
    for number in range(2):
        waba_id = WabaId(f"10200000000000{number}")
        tenants.add_account(
            maker.operator,
            tenant_id=tenant_id,
            waba_id=waba_id,
            portfolio_id=f"90200000000000{number}",
            name="more",
            timezone="America/Sao_Paulo",
            currency="BRL",
            access_token=f"EAAmore{number}",
        )
        tenants.add_number(
            maker.operator,
            tenant_id=tenant_id,
            waba_id=waba_id,
            phone_number_id=PhoneNumberId(f"20200000000000{number}"),
            display_phone_number=f"+55 11 97777-100{number}",
        )
    maker.admin.execute(
        "update app.phone_numbers set paused_until = now() + interval '1 hour'"
        " where phone_number_id = '202000000000000'"
    )
    for number in range(3):
        maker.admin.execute(
            "insert into app.inbound_messages (tenant_id, inbound_id, phone_number_id, contact_id,"
            " wamid, type, body, occurred_at, received_at)"
            " values (%s, %s, %s, %s, %s, 'text', 'Oi', now() - %s, now())",
            (
                tenant_id,
                new_id(),
                maker.account.phone_number_id,
                contact_id,
                f"wamid.{number}",
                timedelta(hours=number),
            ),
        )
    for month, status in ((7, "final"), (8, "parked"), (9, "draft")):
        invoice_id = make_invoice(maker.admin, maker.account)
        maker.admin.execute(
            "update billing.invoices set status = %s, period_start = make_date(2026, %s, 1),"
            " period_end = make_date(2026, %s, 1) where invoice_id = %s",
            (status, month, month + 1, invoice_id),
        )


async def _account(maker: Maker) -> Mapping[str, str]:
    keys = [
        await maker.post("/v1/api-keys", {"name": "k", "scopes": ["tenant:read"]}) for _ in range(3)
    ]
    await maker.api.delete(f"/v1/api-keys/{keys[0]['api_key']['api_key_id']}")
    for role in ("viewer", "finance"):
        person = {"email": f"{role}@example.com", "name": "P", "role": role}
        await maker.post("/v1/users", person)
    make_user(maker.operator, maker.account)
    answers = [await log_in(maker.api) for _ in range(3)]
    return {"Authorization": f"Bearer {answers[0].json()['access_token']}"}
