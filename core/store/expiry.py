"""What ends by itself: messages Meta holds or never delivers, windows, what people wrote."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from psycopg.rows import class_row

from core.domain.ids import TenantId
from core.store.database import Connection
from core.store.queries import load

_SQL = load("expiry")
_DAY: Final = 86_400
TTL_SECONDS: Final[Mapping[str, int]] = MappingProxyType(
    {"authentication": 600, "marketing": 30 * _DAY, "utility": 30 * _DAY, "service": 30 * _DAY}
)
"""How long Meta tries to deliver, by category. Meta, time-to-live, updated on 2026-04-30."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldTooLong:
    """What was given up of one campaign, or of one number's single messages."""

    tenant_id: TenantId
    subject: str
    messages: int


async def expire_held(
    connection: Connection, *, held_seconds: int, limit: int
) -> list[HeldTooLong]:
    """Expire what has been held longer than `held_seconds`, reason `held_too_long`."""
    async with connection.cursor(row_factory=class_row(HeldTooLong)) as cursor:
        await cursor.execute(
            _SQL.expire_held,
            {"categories": list(TTL_SECONDS), "held_seconds": held_seconds, "limit": limit},
        )
        return await cursor.fetchall()


async def expire_undelivered(connection: Connection, *, buffer_seconds: int, limit: int) -> int:
    """Expire what Meta took and did not deliver in its time to live and the buffer, reason `ttl`.

    Returns how many, at most `limit` of each category. A late delivery still outweighs it.
    """
    cursor = await connection.execute(
        _SQL.expire_undelivered,
        {
            "categories": list(TTL_SECONDS),
            "ttl_seconds": list(TTL_SECONDS.values()),
            "buffer_seconds": buffer_seconds,
            "limit": limit,
        },
    )
    return cursor.rowcount


async def open_free_entry_points(connection: Connection) -> int:
    """Note until when answered advertisements make messages free; returns how many began."""
    cursor = await connection.execute(_SQL.open_free_entry_points)
    return cursor.rowcount


async def delete_old_inbound(connection: Connection, *, days: int, limit: int) -> int:
    """Delete what people wrote more than `days` ago; returns how many rows."""
    cursor = await connection.execute(_SQL.delete_old_inbound, {"days": days, "limit": limit})
    return cursor.rowcount
