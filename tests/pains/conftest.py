"""The fixtures of the sender's and the API's tests, side by side on one database."""

from tests.api.conftest import (
    _environment,
    admin,
    anonymous,
    api,
    app,
    operator,
    other,
    settings,
    tenant,
)
from tests.sender.conftest import dispatcher, meta, pool, ticket_for, world

__all__ = [
    "_environment",
    "admin",
    "anonymous",
    "api",
    "app",
    "dispatcher",
    "meta",
    "operator",
    "other",
    "pool",
    "settings",
    "tenant",
    "ticket_for",
    "world",
]
