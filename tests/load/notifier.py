"""Row `notifier`: message events a second that one notifier tells one tenant, on one core."""

import os
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from uuid import UUID

import orjson
import psycopg
import requests
from standardwebhooks import Webhook

from carteiro.home import free_port
from core.clock import utc_now
from core.settings import Settings, get_settings
from tests.load.people import crowd
from tests.load.registry import Figure, benchmark
from tests.load.stage import OTHERS, OURS, Stage, cpu_seconds, on_core, product_environment
from tests.sender.endpoint_stub import Endpoint, add_endpoint
from tests.sender.world import World
from tests.support.settings import SECRET_KEY

EVENTS: Final = 20_000
_PEER_EVENTS: Final = 2_000
_PEER_THREADS: Final = 16


@benchmark(
    "notifier",
    unit="deliveries/s",
    target=None,
    peer="a signed requests.post and an UPDATE each, 16 threads",
    seconds=45,
)
def measure_notifier(stage: Stage) -> Figure:
    """From events in the log to deliveries recorded as done, one endpoint, its answer at once."""
    stage.require_cores(2)
    settings = stage.database()
    url = _responder(stage)
    world, ids = crowd(settings, EVENTS)
    os.environ["CARTEIRO_SECRET_KEY"] = SECRET_KEY
    get_settings.cache_clear()
    endpoint = add_endpoint(world, url, "message.sent")
    _happen(world)
    stage.say(f"{EVENTS:,} events wait")
    database_cpu, start = stage.database_cpu(), time.monotonic()
    process = stage.start(
        "notifier",
        ["-m", "sender", "notifier"],
        core=OURS,
        **product_environment(settings, stage.valkey(), "http://127.0.0.1:9"),
        CARTEIRO_WEBHOOK_ALLOW_HTTP="true",
        CARTEIRO_WEBHOOK_PORTS=url.rsplit(":", 1)[1],
        CARTEIRO_WEBHOOK_ALLOWED_NETWORKS="127.0.0.0/8",
    )
    stage.wait_for(lambda: _delivered(world) == EVENTS, 1_800, every=0.1)
    seconds = time.monotonic() - start
    own_cpu = cpu_seconds([process]) / EVENTS * 1e6
    database_cpu = (stage.database_cpu() - database_cpu) / EVENTS * 1e6
    if (taken := _taken(url)) != EVENTS:
        raise RuntimeError(f"{taken} webhooks came for {EVENTS} events")
    return Figure(
        value=EVENTS / seconds,
        peer_value=_measure_threads(settings, url, endpoint, ids),
        note=(
            f"{EVENTS:,} events, the start of the process included; notifier on one core,"
            " PostgreSQL (fsync on) and the endpoint on the other; CPU a delivery:"
            f" {own_cpu:.0f} us notifier + {database_cpu:.0f} us PostgreSQL; each was delivered"
            " once; the peer reads no events, keeps no attempts and guards no address"
        ),
    )


def _responder(stage: Stage) -> str:
    port = free_port()
    stage.start("endpoint", ["-m", "tests.load.responder", str(port)], core=OTHERS)
    url = f"http://127.0.0.1:{port}"
    stage.wait_for(lambda: _answers(url), 30)
    return url


def _answers(url: str) -> bool:
    try:
        return _taken(url) == 0
    except OSError:
        return False


def _taken(url: str) -> int:
    with urllib.request.urlopen(f"{url}/count") as answer:
        return int(orjson.loads(answer.read())["count"])


def _happen(world: World) -> None:
    """One event of every message, as the applier writes them."""
    world.execute("select ops.ensure_partitions(now(), 8)")
    world.execute(
        "insert into raw.message_events (tenant_id, message_id, campaign_id, contact_pseudonym,"
        " waba_id, phone_number_id, event_type, category, occurred_at)"
        " select tenant_id, message_id, campaign_id, contact_pseudonym, waba_id,"
        " phone_number_id, 'sent', category, now() from app.messages"
    )
    world.execute("analyze raw.message_events")


def _delivered(world: World) -> int:
    return int(world.one("select count(*) from app.webhook_deliveries where state = 'delivered'"))


def _measure_threads(settings: Settings, url: str, endpoint: Endpoint, ids: list[UUID]) -> float:
    """The usual way: each delivery is posted by a thread, which then marks its row."""
    with on_core(OURS), psycopg.connect(settings.database_url) as reader:
        rows = reader.execute(
            "select event_id from app.webhook_deliveries limit %s", (_PEER_EVENTS,)
        ).fetchall()
        with ThreadPoolExecutor(_PEER_THREADS) as threads:
            start = time.monotonic()
            parts = [rows[first::_PEER_THREADS] for first in range(_PEER_THREADS)]
            list(threads.map(lambda part: _post_each(settings, url, endpoint, part), parts))
            return _PEER_EVENTS / (time.monotonic() - start)


def _post_each(settings: Settings, url: str, endpoint: Endpoint, rows: list[tuple[UUID]]) -> None:
    signer = Webhook(endpoint.secret)
    with requests.Session() as session, psycopg.connect(settings.database_url) as connection:
        for (event_id,) in rows:
            now = utc_now()
            body = orjson.dumps({"id": str(event_id), "type": "message.sent", "timestamp": now})
            headers = {
                "webhook-id": f"evt_{event_id.hex}",
                "webhook-timestamp": str(int(now.timestamp())),
                "webhook-signature": signer.sign(f"evt_{event_id.hex}", now, body.decode()),
                "content-type": "application/json",
            }
            session.post(url, data=body, headers=headers, timeout=15).raise_for_status()
            connection.execute(
                "update app.webhook_deliveries set attempts = attempts + 1, state = 'delivered',"
                " finished_at = now() where event_id = %s",
                (event_id,),
            )
            connection.commit()
