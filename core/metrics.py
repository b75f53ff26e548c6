"""What the sender counts, declared once; the API declares its own.

No label ever names a tenant, a person, a number or a message: labels have few, fixed values, so
that they cost nothing and tell nothing.
"""

from threading import Thread
from typing import Final
from wsgiref.simple_server import WSGIServer

from prometheus_client import Counter, Gauge, Histogram, start_http_server

_SEND_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_AGE_SECONDS: Final = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)

RECIPIENTS_PLANNED: Final = Counter(
    "carteiro_recipients_planned", "Rows the planner wrote.", ("outcome",)
)
IMPORT_ROWS: Final = Counter(
    "carteiro_import_rows", "Rows of contact imports by outcome.", ("outcome",)
)
TICKETS_PUBLISHED: Final = Counter("carteiro_tickets_published", "Tickets the pacer published.")
TICKETS_OUTSTANDING: Final = Gauge(
    "carteiro_tickets_outstanding_messages", "Messages on tickets that no worker has claimed yet."
)
PACER_TICK_SECONDS: Final = Histogram(
    "carteiro_pacer_tick_seconds", "Time of one tick of the leading pacer.", buckets=_SEND_SECONDS
)
MESSAGES_CLAIMED: Final = Counter("carteiro_messages_claimed", "Messages claimed by workers.")
SEND_OUTCOMES: Final = Counter(
    "carteiro_send_outcomes", "Sends by the state they left the message in.", ("state",)
)
SEND_SECONDS: Final = Histogram(
    "carteiro_send_seconds", "Time of one call to the Cloud API.", buckets=_SEND_SECONDS
)
META_ERRORS: Final = Counter(
    "carteiro_meta_errors", "Errors Meta reported, by the atlas's name.", ("name", "action")
)
UPDATES_APPLIED: Final = Counter(
    "carteiro_updates_applied", "Webhook updates by what became of them.", ("kind", "outcome")
)
WEBHOOK_AGE_SECONDS: Final = Histogram(
    "carteiro_webhook_age_seconds", "From landing to applied.", buckets=_AGE_SECONDS
)
IN_DOUBT_SETTLED: Final = Counter(
    "carteiro_in_doubt_settled", "In-doubt sends by how they were settled.", ("outcome",)
)
BODIES_WAITING: Final = Gauge("carteiro_webhook_bodies_waiting", "Webhook bodies not yet applied.")
WEBHOOK_ATTEMPTS: Final = Counter(
    "carteiro_webhook_attempts", "Webhooks to tenants by what became of the attempt.", ("outcome",)
)
WEBHOOK_SECONDS: Final = Histogram(
    "carteiro_webhook_seconds", "Time of one call to a tenant's endpoint.", buckets=_SEND_SECONDS
)
WEBHOOK_OLDEST_DUE_SECONDS: Final = Gauge(
    "carteiro_webhook_oldest_due_seconds", "Age of the longest due webhook of endpoints in service."
)
WEBHOOK_EVENTS: Final = Counter(
    "carteiro_webhook_message_events", "Message events taken up for tenants' endpoints."
)
AUDIT_ENTRIES_SEALED: Final = Counter(
    "carteiro_audit_entries_sealed", "Audit entries put into their chains."
)
AUDIT_UNSEALED_SECONDS: Final = Gauge(
    "carteiro_audit_unsealed_seconds", "How long the oldest audit entry has waited for its seal."
)


class MetricsServer:
    """A running metrics endpoint; `port` is the one it got when 0 was asked for."""

    def __init__(self, server: WSGIServer, thread: Thread) -> None:
        """Take over a started server and its thread."""
        self.port: int = server.server_port
        self._server = server
        self._thread = thread

    def stop(self) -> None:
        """End the server and its thread; returns when both are gone."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


def serve_metrics(port: int, *, host: str = "127.0.0.1") -> MetricsServer:
    """Serve all metrics of this process at http://host:port/metrics, from a thread of its own."""
    server, thread = start_http_server(port, addr=host)
    return MetricsServer(server, thread)
