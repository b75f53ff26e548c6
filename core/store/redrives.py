"""Re-drives as the settler carries them out: failures go back into the queue, in batches."""

from uuid import UUID

from core.domain.ids import TenantId
from core.store.database import Connection
from core.store.queries import load

_SQL = load("redrives")


async def advance_redrive(connection: Connection, *, limit: int) -> int | None:
    """Queue one batch of the oldest re-drive; None when there is none to carry out.

    One transaction: the batch, its events and the progress are there together or not at all, so a
    settler that dies in the middle leaves a re-drive that the next one goes on with.
    """
    cursor = await connection.execute(_SQL.take_redrive)
    row = await cursor.fetchone()
    if row is None:
        return None
    tenant_id, redrive_id = TenantId(UUID(str(row[0]))), UUID(str(row[1]))
    place = {"tenant_id": tenant_id, "redrive_id": redrive_id}
    cursor = await connection.execute(_SQL.redrive_batch, {**place, "limit": limit})
    batch = await cursor.fetchone()
    found, redriven = (int(str(value)) for value in batch or (0, 0))
    await connection.execute(
        _SQL.advance_redrive, {**place, "redriven": redriven, "finished": found < limit}
    )
    return redriven
