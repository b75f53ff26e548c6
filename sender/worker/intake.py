"""The broker's side of a worker: a thread of its own, the only one that touches the connection."""

import queue
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import kombu

from core.broker.connection import TicketPublisher, broker_errors, connect, declare, is_amqp
from core.broker.envelopes import PoisonTicket, Ticket, read_ticket
from core.broker.topology import Topology
from core.errors import BrokerUnavailable
from core.logs import get_logger
from core.settings import Settings

_PREFETCHED_TICKETS: Final = 16
_POLL_SECONDS: Final = 0.02
_HEARTBEAT_EVERY_SECONDS: Final = 1.0
_FIRST_BACKOFF_SECONDS: Final = 0.2
_LONGEST_BACKOFF_SECONDS: Final = 10.0
_log = get_logger(__name__)

Done = Callable[[], None]
"""To be called, from any thread, when a ticket's work is over."""
Bury = Callable[[bytes, str, Done], None]
"""Takes a dead ticket's bytes and reason; its Done is called once they are kept."""


class Intake(threading.Thread):
    """Consumes tickets for ever, reconnecting with backoff; hands each to `deliver` with its Done.

    Also hands the dead tickets to `bury`, which keeps them where people look. Their messages are
    still queued in PostgreSQL and get a new ticket meanwhile.
    """

    def __init__(
        self, settings: Settings, deliver: Callable[[Ticket, Done], None], bury: Bury
    ) -> None:
        """`deliver` and `bury` are called in this thread and must return at once."""
        super().__init__(name="intake", daemon=True)
        self._settings = settings
        self._deliver = deliver
        self._bury_ticket = bury
        self._finished: queue.SimpleQueue[kombu.Message] = queue.SimpleQueue()
        self._stop_taking = threading.Event()
        self._stopping = threading.Event()
        self.connected = threading.Event()
        self.dead_tickets = 0
        self.poison_tickets = 0

    def stop_taking(self) -> None:
        """Take no more tickets; those delivered may still be acknowledged."""
        self._stop_taking.set()

    def stop(self) -> None:
        """End the thread; unacknowledged tickets go back to the queue."""
        self._stop_taking.set()
        self._stopping.set()

    def run(self) -> None:
        backoff = _FIRST_BACKOFF_SECONDS
        while not self._stopping.is_set():
            connection = connect(self._settings)
            try:
                connection.connect()
                world = declare(connection)
                self._consume(connection, world)
            except broker_errors(connection) as error:
                _log.warning("broker lost, connecting again", problem=type(error).__name__)
            except Exception:  # noqa: BLE001 - the thread's edge: a worker without it sends nothing
                _log.exception("taking tickets failed, connecting again")
            finally:
                if self.connected.is_set():
                    # What worked is tried again soon, however often it was lost before.
                    backoff = _FIRST_BACKOFF_SECONDS
                self.connected.clear()
                _release(connection)
            self._stopping.wait(backoff)
            backoff = min(backoff * 2, _LONGEST_BACKOFF_SECONDS)

    def _consume(self, connection: kombu.Connection, world: Topology) -> None:
        channel = connection.channel()
        tickets = kombu.Consumer(
            channel, [world.tickets], on_message=self._on_ticket, auto_declare=False
        )
        # Quorum queues refuse global QoS (540 NOT_IMPLEMENTED): the limit is this consumer's own.
        tickets.qos(prefetch_count=_PREFETCHED_TICKETS)
        tickets.consume()
        dead_channel = connection.channel()
        dead = kombu.Consumer(
            dead_channel, [world.dead], on_message=self._on_dead, auto_declare=False
        )
        dead.qos(prefetch_count=10)
        dead.consume()
        self.connected.set()
        self._drain(connection, tickets)

    def _drain(self, connection: kombu.Connection, tickets: kombu.Consumer) -> None:
        taking, next_heartbeat = True, 0.0
        while not self._stopping.is_set():
            if taking and self._stop_taking.is_set():
                tickets.cancel()
                taking = False
            self._acknowledge(connection)
            if connection.supports_heartbeats and time.monotonic() >= next_heartbeat:
                connection.heartbeat_check(rate=2)
                next_heartbeat = time.monotonic() + _HEARTBEAT_EVERY_SECONDS
            try:
                connection.drain_events(timeout=_POLL_SECONDS)
            except TimeoutError:
                continue
        self._acknowledge(connection)

    def _acknowledge(self, connection: kombu.Connection) -> None:
        while True:
            try:
                message = self._finished.get_nowait()
            except queue.Empty:
                return
            # A ticket of an earlier connection: the broker has long given it to somebody else.
            if message.channel is not None and message.channel.connection is not None:
                message.ack_log_error(_log, broker_errors(connection))

    def _on_ticket(self, message: Any) -> None:
        try:
            ticket = read_ticket(_body(message))
        except PoisonTicket as error:
            self.poison_tickets += 1
            _log.error("poison ticket put aside", problem=error.detail)
            self._bury(message, error.detail)
            return
        self._deliver(ticket, lambda: self._finished.put(message))

    def _bury(self, message: Any, reason: str) -> None:
        if is_amqp(self._settings.broker_url):
            # The queue's own policy moves it, at least once.
            message.reject(requeue=False)
            return
        try:
            with TicketPublisher(self._settings) as publisher:
                publisher.bury(_body(message), reason=reason)
        except BrokerUnavailable:
            message.requeue()
            return
        message.ack()

    def _on_dead(self, message: Any) -> None:
        self.dead_tickets += 1
        reason = _death(message)
        _log.error("dead ticket", problem=reason)
        self._bury_ticket(_body(message), reason, lambda: self._finished.put(message))


def _body(message: Any) -> bytes:
    """The bytes as they came: some transports hand out text."""
    body = message.body
    if isinstance(body, str):
        return body.encode("utf-8", "surrogatepass")
    return bytes(body)


def _death(message: Any) -> str:
    """Why a ticket was put aside: RabbitMQ's x-death, or our own header."""
    headers = message.headers or {}
    deaths = headers.get("x-death")
    # Anybody who may publish may write any header.
    last = deaths[0] if isinstance(deaths, list) and deaths else {}
    reason = last.get("reason") if isinstance(last, dict) else None
    return str(headers.get("x-carteiro-reason") or reason or "unknown")


def _release(connection: kombu.Connection) -> None:
    try:
        connection.release()
    except broker_errors(connection):
        return
