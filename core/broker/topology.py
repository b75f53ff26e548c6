"""Every exchange, queue, key and argument of the broker, in one place.

Kombu's defaults lose messages, so nothing here is left to a default. On RabbitMQ both queues are
quorum queues; on Redis or Valkey they are lists, without fan-out and without priorities.
"""

from dataclasses import dataclass
from typing import Final

from kombu import Exchange, Queue

MAX_DELIVERIES: Final = 5
"""A ticket that was delivered this often and never acknowledged is put aside (measured on 3.10.8:
the limit 5 means six deliveries)."""
TICKETS_KEY: Final = "tickets"
DEAD_KEY: Final = "tickets.dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """The declared world: `tickets` has the workers as consumers, `dead` has them as its reader.

    A dead ticket costs nothing (its messages are still queued in PostgreSQL and get a new ticket);
    the workers read it to count it and to say why it was put aside.
    """

    tickets: Queue
    dead: Queue

    def queues(self) -> tuple[Queue, Queue]:
        """The dead-letter queue first: dead-lettering at least once needs its target to exist."""
        return (self.dead, self.tickets)


def topology(*, durable_quorum: bool) -> Topology:
    """The topology; `durable_quorum` adds what only RabbitMQ knows."""
    exchange = Exchange("carteiro", type="direct", durable=True, delivery_mode=2)
    graveyard = Exchange("carteiro.dead", type="direct", durable=True, delivery_mode=2)
    return Topology(
        tickets=Queue(
            "carteiro.tickets",
            exchange=exchange,
            routing_key=TICKETS_KEY,
            durable=True,
            queue_arguments=_ticket_arguments() if durable_quorum else None,
        ),
        dead=Queue(
            "carteiro.tickets.dead",
            exchange=graveyard,
            routing_key=DEAD_KEY,
            durable=True,
            queue_arguments={"x-queue-type": "quorum"} if durable_quorum else None,
        ),
    )


def _ticket_arguments() -> dict[str, str | int]:
    """At-least-once dead-lettering needs reject-publish (RabbitMQ, quorum queues, 2026-08)."""
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": MAX_DELIVERIES,
        "x-dead-letter-exchange": "carteiro.dead",
        "x-dead-letter-routing-key": DEAD_KEY,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
        # Tickets live for seconds; thousands of them waiting mean that no worker runs.
        "x-max-length": 100_000,
    }
