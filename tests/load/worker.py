"""Row `worker`: accepted messages a second of one worker on one core, database included."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import psutil

from core.broker.connection import TicketPublisher
from core.broker.envelopes import MAX_MESSAGES, Ticket
from core.clock import utc_now
from core.domain.ids import MessageId, PhoneNumberId, TenantId, new_id
from core.settings import Settings
from tests.load import celery_tasks
from tests.load.people import count_accepted, crowd
from tests.load.registry import Figure, benchmark
from tests.load.stage import OURS, Broker, Stage, cpu_seconds, product_environment
from tests.load.stub import Stub, StubWatch, start_stub
from tests.sender.world import World

MESSAGES: Final = 20_000
_WARM_UP: Final = 1_000
_CELERY_PROCESSES: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One side's run: seconds for `MESSAGES`, and CPU microseconds a message."""

    seconds: float
    worker_cpu: float
    database_cpu: float

    @property
    def per_second(self) -> float:
        return MESSAGES / self.seconds

    def __str__(self) -> str:
        return f"{self.worker_cpu:.0f} us worker + {self.database_cpu:.0f} us PostgreSQL"


@benchmark(
    "worker",
    unit="messages/s",
    target=3_000,
    peer="a Celery task per message with a requests session",
    seconds=80,
)
def measure_worker(stage: Stage) -> Figure:
    """Tickets on a broker, PostgreSQL with fsync, a bare responder; rows that say accepted."""
    stage.require_cores(2)
    broker = stage.broker()
    stage.say(f"broker {broker.name}; PostgreSQL starts")
    stub = start_stub(stage)
    ours = _measure_ours(stage, broker, stub)
    stage.say(f"worker: {ours.per_second:,.0f} messages/s")
    theirs = _measure_celery(stage, broker, stub)
    stage.say(f"Celery: {theirs.per_second:,.0f} messages/s")
    return Figure(
        value=ours.per_second,
        peer_value=theirs.per_second,
        note=(
            f"{MESSAGES:,} messages each; broker {broker.name}; sender on one core, PostgreSQL"
            f" (fsync on) and responder on the other; CPU a message: {ours}; Celery: {theirs}"
        ),
    )


def _measure_ours(stage: Stage, broker: Broker, stub: Stub) -> Run:
    settings = stage.database().model_copy(update={"broker_url": broker.url})
    world, ids = crowd(settings, _WARM_UP + MESSAGES)
    process = stage.start(
        "worker",
        ["-m", "sender", "worker"],
        core=OURS,
        **product_environment(settings, broker, stub.url),
    )
    _publish(settings, world, ids[:_WARM_UP])
    stage.wait_for(lambda: count_accepted(world) == _WARM_UP, 600)
    stage.say("warm")
    return _timed(stage, world, stub, process, lambda: _publish(settings, world, ids[_WARM_UP:]))


def _measure_celery(stage: Stage, broker: Broker, stub: Stub) -> Run:
    settings = stage.database()
    world, _ = crowd(settings, _WARM_UP + MESSAGES)
    process = stage.start(
        "celery",
        [
            *("-m", "celery", "-A", "tests.load.celery_tasks", "worker", "--loglevel", "warning"),
            *("--concurrency", str(_CELERY_PROCESSES), "--without-gossip", "--without-mingle"),
        ],
        core=OURS,
        BENCH_BROKER_URL=broker.url,
        BENCH_DATABASE_URL=settings.database_url,
        BENCH_META_URL=f"{stub.url}/v26.0/{world.phone_number_id}/messages",
    )
    app = celery_tasks.make_app(broker.url)
    jobs = celery_tasks.list_jobs(world)
    celery_tasks.publish(app, jobs[:_WARM_UP])
    stage.wait_for(lambda: count_accepted(world) == _WARM_UP, 600)
    stage.say("Celery is warm")
    return _timed(stage, world, stub, process, lambda: celery_tasks.publish(app, jobs[_WARM_UP:]))


def _timed(
    stage: Stage, world: World, stub: Stub, process: psutil.Process, publish: Callable[[], None]
) -> Run:
    """From the first ticket published to the last row that says accepted."""
    senders = [process, *process.children(recursive=True)]
    watch = StubWatch(stub)
    worker_cpu, database_cpu = cpu_seconds(senders), stage.database_cpu()
    before, goal = stub.taken(), _WARM_UP + MESSAGES
    start = time.monotonic()
    publish()
    # The database is asked only at the end: counting rows is work too.
    stage.wait_for(lambda: stub.taken() - before >= MESSAGES, 1_800)
    stage.wait_for(lambda: count_accepted(world) == goal, 600)
    seconds = time.monotonic() - start
    watch.require_capacity()
    return Run(
        seconds=seconds,
        worker_cpu=(cpu_seconds(senders) - worker_cpu) / MESSAGES * 1e6,
        database_cpu=(stage.database_cpu() - database_cpu) / MESSAGES * 1e6,
    )


def _publish(settings: Settings, world: World, ids: list[UUID]) -> None:
    with TicketPublisher(settings) as publisher:
        for first in range(0, len(ids), MAX_MESSAGES):
            now = utc_now()
            publisher.publish(
                Ticket(
                    ticket_id=new_id(),
                    tenant_id=TenantId(world.tenant_id),
                    phone_number_id=PhoneNumberId(world.phone_number_id),
                    message_ids=[MessageId(one) for one in ids[first : first + MAX_MESSAGES]],
                    issued_at=now,
                    # A pacer publishes just in time; here the whole campaign is due at once.
                    expires_at=now + timedelta(minutes=10),
                )
            )
