"""The request behind what is being done: its id follows it through the database, the broker and
webhooks, so that one search finds what a request set off.

An id is a UUID and nothing else, the caller's own or one of ours (`X-Request-Id`). The API sets it,
a transaction carries it to the rows it writes (`app.request_id`), tickets and webhooks name it.
"""

from contextvars import ContextVar
from uuid import UUID

_request: ContextVar[UUID | None] = ContextVar("request_id", default=None)


def set_request(request_id: UUID) -> None:
    """What this task does from here on is done for that request."""
    _request.set(request_id)


def current_request() -> UUID | None:
    """The request this task works for; None where nobody's request is behind the work."""
    return _request.get()
