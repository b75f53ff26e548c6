"""Connections to the broker, and publishing that has arrived when it returns."""

import time
from collections.abc import Sequence
from itertools import zip_longest
from types import TracebackType
from typing import Any, Final, Self

import kombu
from amqp.exceptions import MessageNacked
from kombu.exceptions import KombuError, OperationalError

from core.broker.envelopes import Ticket, write_ticket
from core.broker.topology import DEAD_KEY, TICKETS_KEY, Topology, topology
from core.errors import BrokerUnavailable
from core.settings import Settings

# Measured on RabbitMQ 3.10.8: without confirms, 85 to 915 of 80,000 publishes were lost when the
# broker was killed; with a heartbeat of 6 s a frozen broker is noticed within 14 s.
_HEARTBEAT_SECONDS: Final = 6
_CONNECT_SECONDS: Final = 5
_PUBLISH_SECONDS: Final = 5
_REDIS_OPTIONS: Final[dict[str, object]] = {
    # A ticket lives for seconds: one that a dead worker took may come back after a minute.
    "visibility_timeout": 60,
    "fanout_prefix": True,
    "fanout_patterns": True,
    "socket_keepalive": True,
    "socket_connect_timeout": _CONNECT_SECONDS,
    "socket_timeout": 15,
    "health_check_interval": 10,
    "retry_on_timeout": False,
}
_AMQP_OPTIONS: Final[dict[str, object]] = {"write_timeout": _PUBLISH_SECONDS}


def is_amqp(url: str) -> bool:
    """Whether this broker is RabbitMQ: quorum queues, confirms, dead-lettering, heartbeats."""
    return url.startswith(("amqp://", "amqps://"))


def connect(settings: Settings) -> kombu.Connection:
    """A connection, not yet opened, with every option that matters set explicitly."""
    url = settings.require("broker_url")
    if is_amqp(url):
        return kombu.Connection(
            url,
            heartbeat=_HEARTBEAT_SECONDS,
            connect_timeout=_CONNECT_SECONDS,
            transport_options=dict(_AMQP_OPTIONS),
        )
    return kombu.Connection(
        url, connect_timeout=_CONNECT_SECONDS, transport_options=dict(_REDIS_OPTIONS)
    )


def declare(connection: kombu.Connection) -> Topology:
    """Declare the whole topology on an open connection; harmless when it is there already."""
    world = topology(durable_quorum=connection.transport.driver_type == "amqp")
    with connection.channel() as channel:
        for queue in world.queues():
            queue(channel).declare()
    return world


def broker_errors(connection: kombu.Connection) -> tuple[type[Exception], ...]:
    """Everything a broken broker raises."""
    return (
        *connection.connection_errors,
        *connection.channel_errors,
        KombuError,
        OperationalError,
        OSError,
        # A full queue refuses the publish: its confirm is a no, of no other class.
        MessageNacked,
    )


def _correlation(ticket: Ticket) -> str:
    """AMQP's own property for it, where one request is behind the whole ticket."""
    return str(ticket.request_ids[0]) if len(ticket.request_ids) == 1 else ""


class _Confirms:
    """What RabbitMQ has said to the publishes of one channel; they may be awaited together.

    Each wait for a quorum's disks takes about a millisecond, whatever it is about: fifty tickets
    that are confirmed together take little longer than one.
    """

    def __init__(self, channel: Any) -> None:
        """Turns the confirms of `channel` on; tags count its publishes from 1."""
        self._last = 0
        self._open: set[int] = set()
        self._refused = False
        channel.confirm_select()
        channel.events["basic_ack"].add(self._accept)
        channel.events["basic_nack"].add(self._refuse)

    def expect(self) -> None:
        """One more was published."""
        self._last += 1
        self._open.add(self._last)

    def wait(self, connection: kombu.Connection, *, seconds: float) -> None:
        """Until all are confirmed. Raises MessageNacked, or TimeoutError and broker errors."""
        end = time.monotonic() + seconds
        while self._open:
            connection.drain_events(timeout=max(0.001, end - time.monotonic()))
        if self._refused:
            raise MessageNacked

    def _accept(self, delivery_tag: int, multiple: bool) -> None:
        if multiple:
            self._open = {tag for tag in self._open if tag > delivery_tag}
        else:
            self._open.discard(delivery_tag)

    def _refuse(self, delivery_tag: int, multiple: bool) -> None:
        self._refused = True
        self._accept(delivery_tag, multiple)


class TicketPublisher:
    """Publishes tickets; on RabbitMQ each is confirmed on disk by a quorum before `publish` ends.

    Connects on first use and again after an error. Not for several threads at once.
    """

    def __init__(self, settings: Settings) -> None:
        """Nothing is opened yet."""
        self._settings = settings
        self._connection: kombu.Connection | None = None
        self._producer: kombu.Producer | None = None
        self._confirms: _Confirms | None = None
        self._used_at = float("-inf")

    def publish(self, *tickets: Ticket) -> None:
        """Put tickets into the queue, confirmed together.

        Raises BrokerUnavailable; then any of them may be there or not.
        """
        self._send(
            *(write_ticket(ticket) for ticket in tickets),
            exchange="carteiro",
            routing_key=TICKETS_KEY,
            correlations=[_correlation(ticket) for ticket in tickets],
        )

    def bury(self, body: bytes, *, reason: str) -> None:
        """Put a message that cannot be read beside the others of its kind (Redis has no DLX)."""
        self._send(body, exchange="carteiro.dead", routing_key=DEAD_KEY, reason=reason)

    def _send(
        self,
        *bodies: bytes,
        exchange: str,
        routing_key: str,
        reason: str = "",
        correlations: Sequence[str] = (),
    ) -> None:
        properties: list[dict[str, Any]] = [
            {"correlation_id": correlation} if correlation else {}
            for _, correlation in zip_longest(bodies, correlations)
        ]
        letters = list(zip(bodies, properties, strict=True))
        quiet = time.monotonic() - self._used_at > _HEARTBEAT_SECONDS
        reused = self._producer is not None
        try:
            self._send_once(letters, exchange=exchange, routing_key=routing_key, reason=reason)
        except BrokerUnavailable:
            if not (quiet and reused):
                raise
            # RabbitMQ ends a connection that was quiet for some heartbeats, and nobody beats for
            # ours between two tickets. A ticket that is there twice does no harm.
            self._send_once(letters, exchange=exchange, routing_key=routing_key, reason=reason)
        self._used_at = time.monotonic()

    def _send_once(
        self,
        letters: Sequence[tuple[bytes, dict[str, Any]]],
        *,
        exchange: str,
        routing_key: str,
        reason: str,
    ) -> None:
        connection = self._connection or connect(self._settings)
        try:
            producer = self._producer or self._open(connection)
            for body, properties in letters:
                producer.publish(
                    body,
                    exchange=exchange,
                    routing_key=routing_key,
                    content_type="application/json",
                    content_encoding="utf-8",
                    delivery_mode=2,
                    # An unroutable message is otherwise dropped in silence, even with confirms.
                    mandatory=True,
                    headers={"x-carteiro-reason": reason} if reason else {},
                    timeout=_PUBLISH_SECONDS,
                    **properties,
                )
                if self._confirms:
                    self._confirms.expect()
            if self._confirms:
                self._confirms.wait(connection, seconds=_PUBLISH_SECONDS)
        except broker_errors(connection) as error:
            self.close()
            raise BrokerUnavailable("the broker did not take a ticket") from error

    def _open(self, connection: kombu.Connection) -> kombu.Producer:
        self._connection = connection
        connection.connect()
        declare(connection)
        channel = connection.channel()
        if connection.transport.driver_type == "amqp":
            self._confirms = _Confirms(channel)
        self._producer = kombu.Producer(channel, auto_declare=False)
        return self._producer

    def close(self) -> None:
        """Let the connection go, also a broken one."""
        connection, self._connection = self._connection, None
        self._producer = self._confirms = None
        if connection is not None:
            try:
                connection.release()
            except broker_errors(connection):
                # It is broken; the operating system closes what is left.
                return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
