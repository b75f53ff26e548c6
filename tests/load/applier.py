"""Row `applier`: statuses a second that one applier turns into states and events, on one core."""

import json
import os
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import psycopg

from core.clock import utc_now
from core.domain.ids import MessageId, TenantId
from core.secrets import sign_callback
from core.settings import Settings, get_settings
from core.store.queries import load
from tests.load.people import crowd
from tests.load.registry import Figure, benchmark
from tests.load.stage import OURS, Stage, cpu_seconds, on_core, product_environment
from tests.sender.landing import PRICING, messages_body, status
from tests.sender.world import World
from tests.support.settings import SECRET_KEY

MESSAGES: Final = 40_000
_STATES: Final = ("sent", "delivered", "read")
_IN_A_BODY: Final = 10
_PEER_STATUSES: Final = 3_000
_LANDED_AT_ONCE: Final = 500


@benchmark(
    "applier",
    unit="statuses/s",
    target=10_000,
    peer="one SELECT FOR UPDATE and one UPDATE a status, from Python",
    seconds=60,
)
def measure_applier(stage: Stage) -> Figure:
    """A backlog of raw bodies, ten statuses each, until nothing waits and nothing was lost."""
    stage.require_cores(2)
    settings = stage.database()
    world, ids = crowd(settings, MESSAGES)
    _accept(world)
    _land(settings, world, ids)
    stage.say(f"{MESSAGES * len(_STATES):,} statuses wait")
    database_cpu = stage.database_cpu()
    start = time.monotonic()
    process = stage.start(
        "applier",
        ["-m", "sender", "applier"],
        core=OURS,
        **product_environment(settings, stage.broker(), "http://127.0.0.1:9"),
    )
    stage.wait_for(lambda: _waiting(world) == 0, 1_800, every=0.1)
    seconds = time.monotonic() - start
    applied = MESSAGES * len(_STATES)
    own_cpu = cpu_seconds([process]) / applied * 1e6
    database_cpu = (stage.database_cpu() - database_cpu) / applied * 1e6
    _check(world)
    peer = _measure_rows(world, ids)
    return Figure(
        value=applied / seconds,
        peer_value=peer,
        note=(
            f"{applied:,} statuses in bodies of {_IN_A_BODY}, the start of the process included;"
            f" applier on one core, PostgreSQL (fsync on) on the other; CPU a status:"
            f" {own_cpu:.0f} us applier + {database_cpu:.0f} us PostgreSQL; the peer keeps no"
            " events and de-duplicates nothing"
        ),
    )


def _accept(world: World) -> None:
    world.execute(
        "update app.messages set state = 'accepted', attempt_no = 1, accepted_at = now(),"
        " wamid = 'wamid.' || message_id"
    )
    world.execute(
        "insert into app.message_wamids (tenant_id, wamid, message_id, attempt_no)"
        " select tenant_id, wamid, message_id, 1 from app.messages"
    )
    world.execute("vacuum analyze app.messages")


def _land(settings: Settings, world: World, ids: list[UUID]) -> None:
    """In the order of a campaign: all that was sent, then delivered, then read."""
    os.environ["CARTEIRO_SECRET_KEY"] = SECRET_KEY
    get_settings.cache_clear()
    bodies = [json.dumps(body).encode() for body in _bodies(world, ids)]
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        for first in range(0, len(bodies), _LANDED_AT_ONCE):
            connection.execute(
                load("landing").land_bodies, {"bodies": bodies[first : first + _LANDED_AT_ONCE]}
            )


def _bodies(world: World, ids: list[UUID]) -> Iterator[dict[str, Any]]:
    now = utc_now() - timedelta(minutes=10)
    tokens = [sign_callback(TenantId(world.tenant_id), MessageId(one), 1) for one in ids]
    for step, state in enumerate(_STATES):
        at = now + timedelta(seconds=step)
        for first in range(0, len(ids), _IN_A_BODY):
            yield messages_body(
                world,
                *(
                    status(f"wamid.{one}", state, token=token, at=at, pricing=PRICING)
                    for one, token in zip(
                        ids[first : first + _IN_A_BODY],
                        tokens[first : first + _IN_A_BODY],
                        strict=True,
                    )
                ),
            )


def _waiting(world: World) -> int:
    return int(world.one("select count(*) from raw.webhook_queue"))


def _check(world: World) -> None:
    """Raises RuntimeError when a status was lost: such a run has no figure."""
    read = world.one("select count(*) from app.messages where state = 'read'")
    events = world.one("select count(*) from raw.message_events")
    if (read, events) != (MESSAGES, MESSAGES * len(_STATES)):
        raise RuntimeError(f"{read} messages are read and {events} events were written")


def _measure_rows(world: World, ids: list[UUID]) -> float:
    """The usual way: look the row up, lock it, move it, commit; no events, no de-duplication."""
    world.execute("update app.messages set state = 'accepted'")
    world.execute("vacuum analyze app.messages")
    with on_core(OURS), psycopg.connect(world.settings.database_url) as connection:
        start = time.monotonic()
        for message_id in ids[: _PEER_STATUSES // len(_STATES)]:
            for state in _STATES:
                connection.execute(
                    "select m.state from app.message_wamids as w inner join app.messages as m"
                    " on m.tenant_id = w.tenant_id and m.message_id = w.message_id"
                    " where w.tenant_id = %s and w.wamid = %s for update of m",
                    (world.tenant_id, f"wamid.{message_id}"),
                )
                connection.execute(
                    "update app.messages set state = %s, state_changed_at = now()"
                    " where tenant_id = %s and message_id = %s",
                    (state, world.tenant_id, message_id),
                )
                connection.commit()
        return _PEER_STATUSES / (time.monotonic() - start)
