"""Whom a campaign or a series is for: a list, or a segment by a list of its own."""

from uuid import UUID

from api.deps import Caller
from api.rows import execute
from core.domain.ids import new_id
from core.errors import InvalidInput
from core.store.database import Connection
from core.store.queries import load

_sql = load("segments")


def check_audience(list_id: UUID | None, segment_id: UUID | None) -> None:
    """Raise InvalidInput unless it is exactly one of both."""
    if list_id is not None and segment_id is not None:
        raise InvalidInput("give a list or a segment, not both", pointer="/segment_id")
    if list_id is None and segment_id is None:
        raise InvalidInput("give a list or a segment", pointer="/list_id")


async def frozen_list(connection: Connection, caller: Caller, segment_id: UUID, name: str) -> UUID:
    """A new list that stands for a segment: a planner puts on it whom the segment means then.

    Raises InvalidInput for a segment that the tenant doesn't have.
    """
    list_id = new_id()
    place = {"tenant_id": caller.tenant_id, "list_id": list_id}
    wanted = {**place, "name": name, "segment_id": segment_id}
    if not await execute(connection, _sql.insert_frozen_list, wanted):
        raise InvalidInput("there is no such segment", pointer="/segment_id")
    return list_id
