"""What the API counts. No label ever names a tenant, a person or a message."""

from typing import Final

from prometheus_client import Counter, Histogram

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

HTTP_REQUESTS: Final = Counter(
    "carteiro_http_requests", "Requests answered by the API.", ("method", "route", "status")
)
HTTP_SECONDS: Final = Histogram(
    "carteiro_http_request_seconds",
    "Time from the request line to the end of the answer.",
    ("method", "route"),
    buckets=_SECONDS,
)
WEBHOOKS_RECEIVED: Final = Counter(
    "carteiro_webhooks_received", "Webhook posts by what became of them.", ("outcome",)
)
WEBHOOKS_PER_COMMIT: Final = Histogram(
    "carteiro_webhooks_per_commit",
    "Webhook bodies that shared one commit.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
)
RATE_LIMITED: Final = Counter(
    "carteiro_rate_limited", "Requests refused for their number, by class of limit.", ("limit",)
)
RATE_COUNTED: Final = Counter(
    "carteiro_rate_counted",
    "Requests counted for a rate limit, by who counted: redis, or the process itself without it.",
    ("by",),
)
