"""Row `planner`: people of one list planned a second, rows, events, counts, hash and quote."""

import asyncio
import time
from typing import Final

import psycopg
from psycopg.types.json import Jsonb

from core.domain.ids import new_id
from core.settings import DatabaseRole, Settings
from core.store.database import open_pool
from sender.planner.planner import plan_next
from tests.load.people import fill_list
from tests.load.registry import Figure, benchmark
from tests.load.stage import Stage
from tests.sender.world import World

PEOPLE: Final = 1_000_000
_PEER_PEOPLE: Final = 20_000


@benchmark(
    "planner",
    unit="recipients/s",
    target=50_000,
    peer="an INSERT for each recipient's row and event, psycopg executemany (pipelined)",
    seconds=90,
)
def measure_planner(stage: Stage) -> Figure:
    """One campaign to one list, every person with a value of their own; PostgreSQL on all cores."""
    stage.require_cores(2)
    settings = stage.database()
    stage.spread_database()
    world = World(settings=settings).build()
    stage.say(f"{PEOPLE:,} people are written")
    fill_list(settings, world, PEOPLE)
    campaign_id = world.add_campaign(status="planning")
    cpu = stage.database_cpu()
    seconds = asyncio.run(_plan(settings))
    cpu = stage.database_cpu() - cpu
    planned = world.one(
        "select (plan -> 'audience' ->> 'queued')::bigint from app.campaigns"
        " where campaign_id = %s",
        campaign_id,
    )
    if planned != PEOPLE:
        raise RuntimeError(f"{planned} of {PEOPLE} people were planned")
    stage.say(f"planner: {PEOPLE / seconds:,.0f} recipients/s")
    theirs = _insert_one_by_one(settings, world)
    return Figure(
        value=PEOPLE / seconds,
        peer_value=_PEER_PEOPLE / theirs,
        note=(
            f"{PEOPLE:,} people in {seconds:.1f} s, PostgreSQL (fsync on) on all cores,"
            f" {cpu / PEOPLE * 1e6:.0f} us of its CPU a person; peer: {_PEER_PEOPLE:,} people,"
            " rows and events only, without deciding anything"
        ),
    )


async def _plan(settings: Settings) -> float:
    async with open_pool(settings.dsn(DatabaseRole.WORKER), name="bench", max_size=4) as pool:
        began = time.perf_counter()
        await plan_next(pool)
        return time.perf_counter() - began


def _insert_one_by_one(settings: Settings, world: World) -> float:
    """Seconds to write rows and events of people who are known and decided about already."""
    content = Jsonb({"type": "template", "template": {"name": "pedido"}})
    campaign_id = world.add_campaign()
    with psycopg.connect(settings.database_url) as connection, connection.cursor() as cursor:
        people = cursor.execute(
            "select contact_id, pseudonym, address from app.contacts limit %s", (_PEER_PEOPLE,)
        ).fetchall()
        began = time.perf_counter()
        rows = [(new_id(), *person) for person in people]
        own = (world.tenant_id, campaign_id)
        cursor.executemany(
            "insert into app.campaign_recipients values (%s, %s, %s, %s)",
            [(*own, contact, message) for message, contact, _, _ in rows],
        )
        cursor.executemany(
            "insert into app.messages (tenant_id, campaign_id, message_id, contact_id,"
            " contact_pseudonym, phone_number_id, waba_id, address, kind, category, content)"
            " values (%s, %s, %s, %s, %s, 'n', 'w', %s, 'template', 'utility', %s)",
            [(*own, *row, content) for row in rows],
        )
        cursor.executemany(
            "insert into raw.message_events (tenant_id, campaign_id, message_id,"
            " contact_pseudonym, phone_number_id, waba_id, event_type, category, occurred_at)"
            " values (%s, %s, %s, %s, 'n', 'w', 'planned', 'utility', now())",
            [(*own, message, pseudonym) for message, _, pseudonym, _ in rows],
        )
        connection.commit()
        return time.perf_counter() - began
