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
# Webhooks prove acceptances up to a week late, and a template may get another time to live: what
# the shorter times have passed by, these find.
_NETS: Final = (_DAY, 8 * _DAY, 30 * _DAY)


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


async def expire_unsent(
    connection: Connection, *, grace_seconds: int, campaign_days: int, limit: int
) -> int:
    """Expire what nobody claimed in time, reason `too_late`; returns how many messages.

    Past their own last moment by `grace_seconds`, or of a campaign launched `campaign_days` ago.
    """
    cursor = await connection.execute(
        _SQL.expire_unsent,
        {"grace_seconds": grace_seconds, "campaign_days": campaign_days, "limit": limit},
    )
    return cursor.rowcount


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """How many messages a sweep ended, and whether it stopped at its limit."""

    expired: int
    is_more: bool


async def note_times_to_live(connection: Connection) -> None:
    """Begin a mark for each time to live that has none."""
    await connection.execute(_SQL.note_times_to_live, {**_by_category(), "nets": list(_NETS)})


async def expire_undelivered(connection: Connection, *, buffer_seconds: int, limit: int) -> Swept:
    """Expire what Meta took and did not deliver in its time to live and the buffer, reason `ttl`.

    Looks at about `limit` messages for each time to live, from where the last call came to. A late
    delivery still outweighs it.
    """
    async with connection.cursor(row_factory=class_row(Swept)) as cursor:
        await cursor.execute(
            _SQL.expire_undelivered,
            {**_by_category(), "buffer_seconds": buffer_seconds, "limit": limit},
        )
        return await cursor.fetchone() or Swept(expired=0, is_more=False)


def _by_category() -> dict[str, object]:
    return {"categories": list(TTL_SECONDS), "ttl_seconds": list(TTL_SECONDS.values())}


async def open_free_entry_points(connection: Connection) -> int:
    """Note until when answered advertisements make messages free; returns how many began."""
    cursor = await connection.execute(_SQL.open_free_entry_points)
    return cursor.rowcount


async def delete_old_inbound(connection: Connection, *, days: int, limit: int) -> int:
    """Delete what people wrote more than `days` ago; returns how many rows."""
    cursor = await connection.execute(_SQL.delete_old_inbound, {"days": days, "limit": limit})
    return cursor.rowcount
