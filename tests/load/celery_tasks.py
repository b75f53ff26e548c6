"""The peer of row `worker`: what most senders do, one Celery task per message.

Each worker process keeps one requests session and one PostgreSQL connection; a task posts one
message and updates one row. The broker, the responder and the server are those of our own run.
"""

import os
from typing import Any
from uuid import UUID

import celery
import orjson
import psycopg
import requests
from celery.signals import worker_process_init

from tests.sender.world import TOKEN, World

Job = tuple[str, str, str, dict[str, Any]]
"""Tenant, message, address, content."""

_QUEUE = "bench"
_UPDATE = (
    "update app.messages set state = 'accepted', wamid = %s, accepted_at = now(),"
    " state_changed_at = now() where tenant_id = %s and message_id = %s"
)


def make_app(broker_url: str) -> celery.Celery:
    """Celery with its defaults, but no results: nobody would read them."""
    made = celery.Celery("bench", broker=broker_url)
    made.conf.task_ignore_result = True
    made.conf.task_default_queue = _QUEUE
    made.conf.broker_connection_retry_on_startup = True
    return made


class _Process:
    """What a worker process opens once."""

    session: requests.Session
    connection: psycopg.Connection[tuple[object, ...]]


app = make_app(os.environ.get("BENCH_BROKER_URL", ""))


def _open(**_: object) -> None:
    _Process.session = requests.Session()
    _Process.session.headers["Authorization"] = f"Bearer {TOKEN}"
    _Process.connection = psycopg.connect(os.environ["BENCH_DATABASE_URL"], autocommit=True)


def _send(tenant_id: str, message_id: str, address: str, content: dict[str, Any]) -> None:
    """Post one message and note its id."""
    body = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": address,
        "biz_opaque_callback_data": message_id,
        **content,
    }
    answer = _Process.session.post(os.environ["BENCH_META_URL"], json=body, timeout=30)
    answer.raise_for_status()
    wamid = answer.json()["messages"][0]["id"]
    _Process.connection.execute(_UPDATE, (wamid, UUID(tenant_id), UUID(message_id)))


# Not as decorators: Celery has no types.
worker_process_init.connect(_open)
app.task(_send, name="send")


def list_jobs(world: World) -> list[Job]:
    """A task's arguments for each message."""
    rows = world.execute(
        "select tenant_id::text, message_id::text, address, content::text from app.messages"
        " where tenant_id = %s order by message_id",
        world.tenant_id,
    )
    return [(tenant, message, to, orjson.loads(content)) for tenant, message, to, content in rows]


def publish(sender: celery.Celery, jobs: list[Job]) -> None:
    """One task a message, over one connection."""
    with sender.connection_for_write() as connection, sender.amqp.Producer(connection) as producer:
        for job in jobs:
            sender.send_task("send", args=job, producer=producer)
