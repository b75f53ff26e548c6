"""What comes after the fifteen worst: schedules, lost retry queues, counters, tests, imports.

docs/known-pains.md says what makes each impossible here.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import redis
from psycopg.types.json import Jsonb

from core.broker.envelopes import Ticket
from core.settings import Settings
from core.store.database import Pool
from sender.pacer.pacer import Pacer
from sender.planner.planner import plan_next
from sender.scheduler.scheduler import run_schedules
from sender.worker.dispatcher import Dispatcher
from tests.api.conftest import Account
from tests.api.test_campaigns import Admin, make_campaign, planned
from tests.api.test_contact_imports import errors_of, upload
from tests.sender.meta_stub import MetaStub
from tests.sender.test_pacer import Notebook, session_of, ticks
from tests.sender.world import World


async def test_pain_16_a_schedule_is_the_tenants_wall_clock_not_utc(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    zone = ZoneInfo("America/Sao_Paulo")
    day = datetime.now(zone) + timedelta(days=1)
    nine = day.replace(hour=9, minute=0, second=0, microsecond=0)
    wall = nine.replace(tzinfo=None).isoformat(timespec="minutes")
    campaign = await make_campaign(api, admin, tenant, scheduled_local=wall)
    assert datetime.fromisoformat(str(campaign["scheduled_at"])) == nine.astimezone(UTC)


async def test_pain_16_a_schedule_is_neither_ignored_nor_early(world: World, pool: Pool) -> None:
    due, later = world.add_campaign(status="approved"), world.add_campaign(status="approved")
    for campaign, interval in ((due, "-1 s"), (later, "5 min")):
        world.execute(
            "update app.campaigns set scheduled_at = now() + %s::interval where campaign_id = %s",
            interval,
            campaign,
        )
    await run_schedules(pool)
    states = dict(world.execute("select campaign_id, status from app.campaigns"))
    assert states == {due: "running", later: "approved"}


async def test_pain_17_what_waits_for_another_try_does_not_die_with_the_broker(
    world: World,
    database: Settings,
    dispatcher: Dispatcher,
    meta: MetaStub,
    ticket_for: Callable[..., Ticket],
    valkey_url: str,
) -> None:
    ids = world.add_messages(world.add_campaign(), world.add_contacts(8))
    meta.answer = meta.refuse(131056, 400)
    await dispatcher.handle(ticket_for(ids))
    assert world.states() == {"queued": 8}
    with redis.Redis.from_url(valkey_url) as client:
        client.flushall()
    meta.answer = meta.accept
    world.execute("update app.messages set not_before = now()")
    world.execute("delete from app.pair_waits")
    notebook = Notebook()
    async with await session_of(database) as connection:
        await ticks(Pacer(connection, notebook), 0.6)
    for ticket in notebook.tickets:
        await dispatcher.handle(ticket)
    assert world.states() == {"accepted": 8}


async def test_pain_18_counts_are_derived_and_a_missing_row_is_noticed(
    api: httpx.AsyncClient, admin: Admin, tenant: Account
) -> None:
    campaign = await make_campaign(api, admin, tenant)
    url = f"/v1/campaigns/{campaign['campaign_id']}/stats"
    planned(admin, tenant, campaign["campaign_id"], 6)
    admin.execute(
        "update app.messages set state = 'delivered', accepted_at = now() where message_id in"
        " (select message_id from app.messages order by message_id limit 4)"
    )
    stats = (await api.get(url)).json()
    assert (stats["states"]["delivered"], stats["states"]["queued"]) == (4, 2)
    assert stats["conservation"] == {"planned": 6, "sum": 6, "holds": True}
    admin.execute(
        "delete from app.messages where message_id = (select min(message_id::text)::uuid"
        " from app.messages)"
    )
    assert (await api.get(url)).json()["conservation"]["holds"] is False


async def test_pain_19_an_a_b_test_never_moves_a_person_to_the_other_arm(
    world: World, pool: Pool
) -> None:
    world.add_contacts(120)
    world.add_campaign(status="planning")
    arms = [
        {
            "name": name,
            "percent": "50",
            "template_id": str(world.template_id),
            "parameters": {"1": {"value": name}},
        }
        for name in ("a", "b")
    ]
    world.execute("update app.campaigns set experiment = %s", Jsonb({"variants": arms}))
    draw = "select contact_id, variant from app.messages order by contact_id"
    await plan_next(pool)
    first = world.execute(draw)
    assert {variant for _, variant in first} == {"a", "b"}
    # A grown list, planned again.
    world.add_contacts(30, first=500)
    world.execute("update app.campaigns set status = 'planning'")
    await plan_next(pool)
    assert set(first) <= set(world.execute(draw))


async def test_pain_20_an_import_names_every_row_it_refused(api: httpx.AsyncClient) -> None:
    text = "phone,name\n+5511987654321,Ana\ncall me,Bo\n,Cy\n+5511912345678,Di\n+55 11 9,Ed\n"
    counts = (await upload(api, text)).json()
    assert (counts["rows_read"], counts["rows_created"], counts["rows_refused"]) == (5, 2, 3)
    rows = await errors_of(api, counts["import_id"])
    assert [(row["row"], row["outcome"]) for row in rows] == [
        ("3", "refused"),
        ("4", "refused"),
        ("6", "refused"),
    ]
    assert all(row["code"] for row in rows)
