"""Pains 3 and 12 to 14 of known campaign systems: wrong templates, split persons, ignored refusals.

docs/known-pains.md says what makes each impossible here.
"""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from api.scopes import Scope
from core.broker.envelopes import Ticket
from core.clock import utc_now
from core.domain.ids import TenantId
from core.settings import DatabaseRole
from core.store import tenants
from core.store.database import Pool
from sender.applier.applier import apply_batch
from sender.planner.planner import plan_next
from sender.scheduler.scheduler import run_schedules
from sender.settler.redrives import carry_out_redrives
from sender.worker.dispatcher import Dispatcher
from tests.api.conftest import Account
from tests.api.test_campaigns import Admin, make_campaign, planned
from tests.api.test_contact_imports import upload
from tests.sender.landing import field_body, land
from tests.sender.meta_stub import MetaStub
from tests.sender.test_people import ANA, ANA_OLD, add_ana, hear, said
from tests.sender.world import World

MakeTicket = Callable[..., Ticket]


async def test_pain_03_what_failed_is_shown_counted_and_tried_again_alone(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, pool: Pool
) -> None:
    campaign = await make_campaign(api, admin, tenant)
    url = f"/v1/campaigns/{campaign['campaign_id']}"
    planned(admin, tenant, campaign["campaign_id"], 8)
    admin.execute("update app.campaigns set status = 'running', launched_at = now()")
    admin.execute(
        "with numbered as (select message_id, row_number() over (order by message_id) as n"
        " from app.messages) update app.messages as m set accepted_at = now(),"
        " state = case when n <= 3 then 'failed' else 'delivered' end,"
        " error_code = case when n <= 2 then 131026 when n = 3 then 132000 end"
        " from numbered where numbered.message_id = m.message_id"
    )
    assert (await api.get(f"{url}/stats")).json()["status"] == "finished_with_failures"
    counted = (await api.post(f"{url}/redrives", json={"error_codes": [131026]})).json()
    assert (counted["dry_run"], counted["matching"]) == (True, 2)
    assert (await api.get(f"{url}/stats")).json()["states"]["failed"] == 3
    wanted = {"dry_run": False, "expected_messages": 2, "error_codes": [131026]}
    assert (await api.post(f"{url}/redrives", json=wanted)).status_code in {200, 201, 202}
    assert await carry_out_redrives(pool) == 2
    after = (await api.get(f"{url}/stats")).json()
    assert (after["status"], after["states"]["queued"], after["states"]["failed"]) == (
        "running",
        2,
        1,
    )
    assert after["states"]["delivered"] == 5


async def test_pain_12_a_missing_parameter_is_found_by_the_plan_and_costs_one_person(
    world: World, pool: Pool, dispatcher: Dispatcher, meta: MetaStub, ticket_for: MakeTicket
) -> None:
    world.add_contacts(3)
    world.add_contacts(1, first=10, attributes={})
    world.add_campaign(status="planning")
    await plan_next(pool)
    assert world.states() == {"queued": 3, "excluded": 1}
    left_out = "select exclusion_reason from app.messages where state = 'excluded'"
    assert world.one(left_out) == "missing_parameter"
    world.execute("update app.campaigns set status = 'running', launched_at = now()")
    ids = [row[0] for row in world.execute("select message_id from app.messages")]
    await dispatcher.handle(ticket_for(ids))
    sent = [payload["template"]["components"][0]["parameters"] for payload in meta.received]
    assert (len(sent), all(parameters[0]["text"] for parameters in sent)) == (3, True)


@pytest.mark.parametrize("event", ["PAUSED", "DISABLED"])
async def test_pain_12_a_template_that_meta_stops_stops_its_campaign_at_once(
    world: World,
    pool: Pool,
    dispatcher: Dispatcher,
    meta: MetaStub,
    ticket_for: MakeTicket,
    *,
    event: str,
) -> None:
    ids = world.add_messages(world.add_campaign(), world.add_contacts(3))
    value = {
        "event": event,
        "message_template_id": int(world.one("select meta_template_id from app.templates")),
        "message_template_name": "pedido",
        "message_template_language": "pt-BR",
    }
    land(world, field_body(world, "message_template_status_update", value))
    await apply_batch(pool)
    assert await dispatcher.handle(ticket_for(ids)) == []
    assert meta.received == []


async def test_pain_12_an_edited_template_is_not_sent_under_the_old_plan(
    world: World, pool: Pool
) -> None:
    campaign = world.add_campaign(status="approved")
    world.execute("update app.campaigns set template_version_hash = 'v1', scheduled_at = now()")
    world.execute("update app.templates set version_hash = 'v2'")
    await run_schedules(pool)
    row = world.one(
        "select status, status_reason from app.campaigns where campaign_id = %s", campaign
    )
    assert row == ("paused", "template_changed")


async def test_pain_13_two_ways_to_write_a_brazilian_mobile_are_one_person(
    api: httpx.AsyncClient,
) -> None:
    text = (
        "phone,name\n"
        "+55 11 98765-4321,Ana\n"
        "55 11 8765-4321,Ana again\n"
        # A landline keeps its eight digits: a blanket 9 would write to somebody else.
        "+55 11 3333-4444,Loja\n"
    )
    counts = (await upload(api, text)).json()
    assert (counts["rows_created"], counts["rows_merged"]) == (2, 1)
    found = (await api.get("/v1/contacts")).json()["items"]
    phones = sorted(contact["address"] for contact in found)
    assert phones == ["+551133334444", f"+{ANA}"]


async def test_pain_13_a_refusal_from_one_number_holds_for_the_other(
    world: World, pool: Pool, dispatcher: Dispatcher, meta: MetaStub, ticket_for: MakeTicket
) -> None:
    contact = add_ana(world)
    world.consent(contact, granted=True)
    ids = world.add_messages(world.add_campaign(), [contact], category="marketing")
    await hear(world, pool, said("PARE", wa_id=ANA_OLD, at=utc_now()))
    await dispatcher.handle(ticket_for(ids))
    assert (meta.received, world.states()) == ([], {"cancelled": 1})


def _preference(world: World) -> dict[str, Any]:
    value = {
        "wa_id": ANA,
        "category": "marketing_messages",
        "value": "stop",
        "timestamp": int(utc_now().timestamp()),
    }
    return field_body(world, "user_preferences", {"user_preferences": [value]})


def _tapped(world: World) -> dict[str, Any]:
    """A quick reply whose words say nothing: its payload is the tenant's own button of leaving."""
    world.execute(
        "insert into app.consent_keywords (tenant_id, source, value, action, written)"
        " values (%s, 'button', 'optout:promo', 'opt_out', 'optout:promo')",
        world.tenant_id,
    )
    button = {"payload": "optout:promo", "text": "Tudo bem"}
    return said(None, at=utc_now(), type="button", button=button)


async def _ask_by_api(world: World, anonymous: httpx.AsyncClient, contact: UUID) -> None:
    with psycopg.connect(world.settings.dsn(DatabaseRole.OPERATOR), autocommit=True) as operator:
        key = tenants.create_api_key(
            operator,
            tenant_id=TenantId(world.tenant_id),
            name="all",
            scopes=[scope.value for scope in Scope],
        )
    answer = await anonymous.post(
        "/v1/consents",
        json={
            "contact_id": str(contact),
            "purpose": "marketing",
            "action": "revoked",
            "channel": "phone",
        },
        headers={"Authorization": f"Bearer {key.plaintext}"},
    )
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize("way", ["PARE", "sair!", " Stop ", "button", "preference", "api"])
async def test_pain_14_an_opt_out_before_the_claim_means_no_post(
    world: World,
    pool: Pool,
    dispatcher: Dispatcher,
    meta: MetaStub,
    anonymous: httpx.AsyncClient,
    ticket_for: MakeTicket,
    *,
    way: str,
) -> None:
    contact = add_ana(world)
    world.consent(contact, granted=True)
    ids = world.add_messages(world.add_campaign(), [contact], category="marketing")
    if way == "preference":
        land(world, _preference(world))
        await apply_batch(pool)
    elif way == "api":
        await _ask_by_api(world, anonymous, contact)
    else:
        await hear(world, pool, _tapped(world) if way == "button" else said(way, at=utc_now()))
    await dispatcher.handle(ticket_for(ids))
    assert meta.received == []
    assert world.one("select state, reason from app.messages") == ("cancelled", "opted_out")


async def test_pain_14_a_sentence_that_holds_the_word_is_no_opt_out(
    world: World, pool: Pool, dispatcher: Dispatcher, meta: MetaStub, ticket_for: MakeTicket
) -> None:
    contact = add_ana(world)
    world.consent(contact, granted=True)
    ids = world.add_messages(world.add_campaign(), [contact], category="marketing")
    await hear(world, pool, said("Posso sair da loja com a sacola? Não pare!", at=utc_now()))
    await dispatcher.handle(ticket_for(ids))
    assert (len(meta.received), world.states()) == (1, {"accepted": 1})


async def test_pain_14_a_stop_in_the_second_of_the_consent_counts(world: World, pool: Pool) -> None:
    """Meta tells whole seconds, the ledger has microseconds."""
    contact = add_ana(world)
    world.consent(contact, granted=True)
    now = utc_now().replace(microsecond=0)
    world.execute("update app.consent_states set occurred_at = %s + interval '0.9 s'", now)
    await hear(world, pool, said("PARE", at=now))
    assert world.one("select granted from app.consent_states") is False
