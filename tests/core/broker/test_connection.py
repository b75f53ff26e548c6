"""Publishing on each real broker."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import kombu
import pytest

from core.broker.connection import TicketPublisher, connect, declare, is_amqp
from core.broker.topology import MAX_DELIVERIES, topology
from core.domain.ids import new_id
from core.errors import BrokerUnavailable
from core.settings import Settings
from tests.core.broker.test_envelopes import ticket
from tests.support.settings import make_settings


@pytest.fixture
def settings(broker_url: str) -> Settings:
    made = make_settings(broker_url=broker_url)
    with connect(made) as connection:
        world = declare(connection)
        for queue in world.queues():
            queue(connection.default_channel).purge()
    return made


def consume(settings: Settings, name: str, *, seconds: float = 1.0) -> list[Any]:
    taken: list[Any] = []
    with connect(settings) as connection:
        world = declare(connection)
        queue = {queue.name: queue for queue in world.queues()}[name]
        consumer = kombu.Consumer(
            connection.channel(), [queue], on_message=taken.append, auto_declare=False
        )
        consumer.consume()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                connection.drain_events(timeout=0.1)
            except TimeoutError:
                continue
        for message in taken:
            message.ack()
    return taken


def test_a_published_ticket_arrives_persistent_and_in_json(settings: Settings) -> None:
    with TicketPublisher(settings) as publisher:
        publisher.publish(ticket())
        publisher.publish(ticket())
    taken = consume(settings, "carteiro.tickets")
    assert len(taken) == 2
    assert {message.content_type for message in taken} == {"application/json"}
    assert {message.properties.get("delivery_mode") for message in taken} == {2}


def test_a_ticket_of_one_request_carries_its_id_as_amqp_s_own_property(settings: Settings) -> None:
    one, two = new_id(), new_id()
    with TicketPublisher(settings) as publisher:
        publisher.publish(
            ticket(),
            replace(ticket(), request_ids=(one,)),
            replace(ticket(), request_ids=(one, two)),
        )
    taken = consume(settings, "carteiro.tickets")
    assert [message.properties.get("correlation_id") for message in taken] == [None, str(one), None]


def test_tickets_that_are_confirmed_together_all_arrive(settings: Settings) -> None:
    with TicketPublisher(settings) as publisher:
        for size in (1, 120, 3):
            publisher.publish(*(ticket() for _ in range(size)))
    assert len(consume(settings, "carteiro.tickets")) == 124


def test_one_refused_of_several_refuses_them_all(rabbitmq_url: str) -> None:
    settings = make_settings(broker_url=rabbitmq_url)
    with full_queue(settings), TicketPublisher(settings) as publisher:
        with pytest.raises(BrokerUnavailable):
            publish_until_refused(publisher, together=20)
        # And the connection that follows has no memory of it.
        publisher._send(b"{}", exchange="carteiro.dead", routing_key="tickets.dead")


def test_what_is_buried_lies_beside_the_tickets(settings: Settings) -> None:
    with TicketPublisher(settings) as publisher:
        publisher.bury(b"not json", reason="a test")
    (message,) = consume(settings, "carteiro.tickets.dead")
    assert message.headers["x-carteiro-reason"] == "a test"


def test_a_publisher_without_a_broker_says_so_and_recovers(settings: Settings) -> None:
    nobody = make_settings(broker_url="redis://127.0.0.1:9/0")
    with TicketPublisher(nobody) as publisher, pytest.raises(BrokerUnavailable):
        publisher.publish(ticket())


def test_a_ticket_rejected_on_rabbitmq_is_dead_lettered(rabbitmq_url: str) -> None:
    settings = make_settings(broker_url=rabbitmq_url)
    with connect(settings) as connection:
        world = declare(connection)
        for queue in world.queues():
            queue(connection.default_channel).purge()
    with TicketPublisher(settings) as publisher:
        publisher.publish(ticket())
    with connect(settings) as connection:
        consumer = kombu.Consumer(
            connection.channel(),
            [declare(connection).tickets],
            on_message=lambda message: message.reject(requeue=False),
            auto_declare=False,
        )
        consumer.consume()
        connection.drain_events(timeout=5)
    (message,) = consume(settings, "carteiro.tickets.dead")
    assert message.headers["x-death"][0]["reason"] == "rejected"


def test_an_unroutable_message_is_an_error_on_rabbitmq(rabbitmq_url: str) -> None:
    settings = make_settings(broker_url=rabbitmq_url)
    with TicketPublisher(settings) as publisher, pytest.raises(BrokerUnavailable):
        publisher._send(b"{}", exchange="carteiro", routing_key="nowhere")


def publish_until_refused(publisher: TicketPublisher, *, together: int = 1) -> None:
    for _ in range(50):
        publisher._send(*[b"x"] * together, exchange="carteiro", routing_key="test.full")


@contextmanager
def full_queue(settings: Settings) -> Iterator[None]:
    """A queue under the key `test.full` that takes a message or two and refuses the next."""
    full = kombu.Queue(
        "carteiro.test.full",
        exchange=kombu.Exchange("carteiro", type="direct", durable=True, delivery_mode=2),
        routing_key="test.full",
        durable=True,
        queue_arguments={
            "x-queue-type": "quorum",
            "x-max-length": 1,
            "x-overflow": "reject-publish",
        },
    )
    with connect(settings) as connection:
        declare(connection)
        full(connection.default_channel).declare()
        try:
            yield
        finally:
            full(connection.default_channel).delete()


def test_a_full_queue_on_rabbitmq_is_an_error_like_any_other_of_the_broker(
    rabbitmq_url: str,
) -> None:
    settings = make_settings(broker_url=rabbitmq_url)
    # How many still fit is the broker's affair; that it says no at last is ours.
    with (
        full_queue(settings),
        TicketPublisher(settings) as publisher,
        pytest.raises(BrokerUnavailable),
    ):
        publish_until_refused(publisher)


def test_the_ticket_queue_leaves_nothing_to_rabbitmq_s_defaults() -> None:
    arguments = topology(durable_quorum=True).tickets.queue_arguments
    assert arguments == {
        "x-queue-type": "quorum",
        "x-delivery-limit": MAX_DELIVERIES,
        "x-dead-letter-exchange": "carteiro.dead",
        "x-dead-letter-routing-key": "tickets.dead",
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
        "x-max-length": 100_000,
    }


def test_a_broker_url_says_which_rules_hold() -> None:
    assert is_amqp("amqps://host//")
    assert not is_amqp("redis://host/0")
