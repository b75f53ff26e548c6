"""Rows `pacer`: a tick with a thousand numbers, and tickets a second that a quorum confirmed."""

import asyncio
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import kombu
import psycopg

from core.broker.connection import TicketPublisher, connect, declare
from core.broker.envelopes import Ticket
from core.settings import DatabaseRole, Settings
from sender.pacer.pacer import Pacer
from tests.core.broker.test_envelopes import ticket
from tests.load.registry import Figure, Promise, benchmarks
from tests.load.stage import Broker, Stage
from tests.sender.world import World

_NUMBERS: Final = 1_000
_TENANTS: Final = 20
_MESSAGES_OF_A_NUMBER: Final = 200
_RATE: Final = 20
_SECONDS: Final = 15.0
_TICK_SECONDS: Final = 0.1
_WARM_UP_TICKS: Final = 10
_TICKETS: Final = 2_000
_PEER_TICKETS: Final = 500


class _Kept(TicketPublisher):
    """Publishes as the pacer does, and remembers the tickets."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.tickets: list[Ticket] = []

    def publish(self, *tickets: Ticket) -> None:
        super().publish(*tickets)
        self.tickets += tickets

    def take(self) -> list[Ticket]:
        """Those since the last look."""
        taken, self.tickets = self.tickets, []
        return taken


@benchmarks(
    Promise(
        name="pacer tick ms, 1,000 numbers", unit="ms", target=100, peer=None, less_is_better=True
    ),
    Promise(name="pacer tickets", unit="tickets/s", target=4_000, peer="a confirm a ticket"),
    seconds=60,
)
def measure_pacer(stage: Stage) -> tuple[Figure, ...]:
    """A running campaign on each number; what got a ticket is claimed before the next tick."""
    stage.require_cores(2)
    broker = stage.broker()
    settings = stage.database().model_copy(update={"broker_url": broker.url})
    _build(settings)
    stage.say(f"{_NUMBERS:,} numbers of {_TENANTS} tenants have {_MESSAGES_OF_A_NUMBER} due each")
    with _Kept(settings) as publisher:
        ticks, issued = asyncio.run(_tick(settings, publisher))
    seconds = sorted(ticks[_WARM_UP_TICKS:])
    p95 = seconds[int(len(seconds) * 0.95)]
    with _purged(settings):
        ours = _publish(settings, _TICKETS, together=50)
    with _purged(settings):
        peer = _publish(settings, _PEER_TICKETS, together=1)
    return (
        Figure(
            value=p95 * 1000,
            peer_value=None,
            note=(
                f"95 % of {len(seconds)} ticks; median {statistics.median(seconds) * 1000:.0f} ms,"
                f" worst {seconds[-1] * 1000:.0f} ms; {_NUMBERS:,} numbers at {_RATE}/s with a"
                f" running campaign each, {issued / _SECONDS:,.0f} messages a second got a ticket;"
                f" broker {broker.name}, PostgreSQL with fsync, all cores"
            ),
        ),
        Figure(
            value=ours,
            peer_value=peer,
            note=f"parcels of 50, persistent, confirmed; broker {broker.name}{_why(broker)}",
        ),
    )


def _why(broker: Broker) -> str:
    return "" if broker.url.startswith("amqp") else ", which has no confirms: nothing to gain"


def _build(settings: Settings) -> None:
    """Tenants with their numbers, a running campaign on each, the same people in all of them."""
    for tenant in range(_TENANTS):
        world = World(
            settings=settings,
            waba_id=f"1{tenant:014d}",
            phone_number_id=f"3{tenant:014d}",
            prefix=f"+551{tenant:02d}",
        ).build(throughput=_RATE)
        world.execute(
            "insert into app.contacts (tenant_id, contact_id, address, country, name, attributes,"
            " pseudonym) select %s, app.new_uuid7(), '+55119' || (10000000 + n), 'BR', 'Pessoa',"
            " '{}', app.new_uuid7() from generate_series(1, %s) as n",
            world.tenant_id,
            _MESSAGES_OF_A_NUMBER,
        )
        world.execute(
            "insert into app.phone_numbers (tenant_id, phone_number_id, waba_id,"
            " display_phone_number, throughput_per_second, granted_per_second)"
            " select %s, (%s + n)::text, %s, '+55 11 5555-0000', %s, %s"
            " from generate_series(1, %s) as n",
            *(world.tenant_id, 2 * 10**14 + tenant * 10**6, world.waba_id, _RATE, _RATE),
            _NUMBERS // _TENANTS,
        )
        world.execute(
            "insert into app.campaigns (tenant_id, campaign_id, name, phone_number_id, template_id,"
            " list_id, parameters, status, category, created_by, launched_at)"
            " select tenant_id, app.new_uuid7(), 'Campanha', phone_number_id, %s, %s, '{}',"
            " 'running', 'utility', 'test', now() from app.phone_numbers"
            " where tenant_id = %s and phone_number_id <> %s",
            *(world.template_id, world.list_id, world.tenant_id, world.phone_number_id),
        )
        world.execute(
            "insert into app.messages (tenant_id, message_id, campaign_id, contact_id,"
            " contact_pseudonym, phone_number_id, waba_id, address, country, market, kind,"
            " template_id, category, content, recipient_timezone)"
            " select c.tenant_id, app.new_uuid7(), c.campaign_id, p.contact_id, p.pseudonym,"
            " c.phone_number_id, %s, p.address, p.country, 'Brazil', 'template', c.template_id,"
            " 'utility', '{}', 'America/Sao_Paulo' from app.campaigns as c"
            " inner join app.contacts as p on c.tenant_id = p.tenant_id where c.tenant_id = %s"
            " order by p.contact_id, c.campaign_id",
            world.waba_id,
            world.tenant_id,
        )
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        connection.execute("vacuum analyze")


async def _tick(settings: Settings, publisher: _Kept) -> tuple[list[float], int]:
    """Ticks as often as the pacer's own process makes them; seconds of each, messages issued."""
    took, issued = [], 0
    async with await psycopg.AsyncConnection.connect(
        settings.dsn(DatabaseRole.WORKER), autocommit=True
    ) as connection:
        pacer = Pacer(connection, publisher)
        end = time.monotonic() + _SECONDS
        while time.monotonic() < end:
            start = time.monotonic()
            issued += await pacer.tick()
            took.append(time.monotonic() - start)
            await asyncio.to_thread(_claim, settings, publisher.take())
            await asyncio.sleep(max(0.0, _TICK_SECONDS - (time.monotonic() - start)))
    if not issued:
        raise RuntimeError("no tick issued a ticket")
    return took, issued


def _claim(settings: Settings, tickets: Sequence[Ticket]) -> None:
    """What the workers' claim does to the rows, as far as the pacer can tell."""
    ids = [message_id for ticket in tickets for message_id in ticket.message_ids]
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        connection.execute(
            "update app.messages set state = 'accepted', accepted_at = now()"
            " where message_id = any(%s)",
            (ids,),
        )


def _publish(settings: Settings, count: int, *, together: int) -> float:
    """Tickets a second."""
    tickets = [ticket() for _ in range(count)]
    with TicketPublisher(settings) as publisher:
        publisher.publish(ticket())
        start = time.monotonic()
        for first in range(0, count, together):
            publisher.publish(*tickets[first : first + together])
        return count / (time.monotonic() - start)


@contextmanager
def _purged(settings: Settings) -> Iterator[None]:
    """An empty queue before and after."""
    with connect(settings) as connection:
        _purge(connection)
        yield
        _purge(connection)


def _purge(connection: kombu.Connection) -> None:
    for queue in declare(connection).queues():
        queue(connection.default_channel).purge()
