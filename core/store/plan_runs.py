"""Plans in the making: a recipe, pieces of the audience, and rows written piece by piece.

A piece is locked while it is written and marked in the same transaction, so that any number of
planners share the work, and one that dies loses nothing but the piece it had.
"""

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from core.domain.ids import CampaignId, ListId, TenantId
from core.store.database import Connection
from core.store.merges import bar_merges
from core.store.queries import load

_SQL = load("plan_runs")
_LAST: Final = UUID(int=(1 << 128) - 1)

Recipe = Mapping[str, object]
"""The parameters of `plan_chunk` that hold for the whole plan, as JSON can hold them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A plan in the making."""

    recipe: dict[str, object]
    chunks_left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AudiencePart:
    """People whose addresses begin alike and who gave the same zone."""

    prefix: str
    timezone: str | None
    people: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DoneChunk:
    """What one piece came to."""

    digest: str
    decided: int
    groups: list[dict[str, object]]
    mistakes: list[dict[str, object]]
    samples: list[dict[str, object]]
    pairs: int


async def lock_plan(connection: Connection, campaign_id: CampaignId) -> bool:
    """Whether this transaction alone may begin or end the campaign's plan."""
    cursor = await connection.execute(_SQL.lock_plan, {"campaign_id": campaign_id})
    row = await cursor.fetchone()
    return bool(row and row[0])


async def get_run(
    connection: Connection, tenant_id: TenantId, campaign_id: CampaignId
) -> Run | None:
    """The plan in the making; None before it has begun."""
    async with connection.cursor(row_factory=class_row(Run)) as cursor:
        await cursor.execute(_SQL.get_progress, _place(tenant_id, campaign_id))
        return await cursor.fetchone()


async def give_room(connection: Connection) -> None:
    """Memory for sets of a million people, for this transaction only."""
    await connection.execute(_SQL.give_room)


async def survey_audience(
    connection: Connection, *, tenant_id: TenantId, list_id: ListId
) -> list[AudiencePart]:
    """The distinct beginnings of the audience's addresses (`+` and 7 digits, or `CC.`)."""
    await connection.execute(_SQL.give_room)
    async with connection.cursor(row_factory=class_row(AudiencePart)) as cursor:
        await cursor.execute(_SQL.survey_audience, {"tenant_id": tenant_id, "list_id": list_id})
        return await cursor.fetchall()


async def known_zones(connection: Connection, zones: Sequence[str]) -> list[str]:
    """Those of the zones the server knows: any other name would end the whole plan."""
    if not zones:
        return []
    cursor = await connection.execute(_SQL.known_zones, {"zones": list(zones)})
    return sorted(str(row[0]) for row in await cursor.fetchall())


async def begin_run(
    connection: Connection,
    *,
    tenant_id: TenantId,
    campaign_id: CampaignId,
    list_id: ListId,
    recipe: Recipe,
    chunk_size: int,
) -> int:
    """Fix the recipe and cut the audience into pieces; returns how many pieces."""
    place = _place(tenant_id, campaign_id)
    await connection.execute(_SQL.drop_errors, place)
    await connection.execute(_SQL.insert_run, {**place, "recipe": Jsonb(recipe)})
    cursor = await connection.execute(
        _SQL.insert_chunks, {**place, "list_id": list_id, "chunk_size": chunk_size}
    )
    return cursor.rowcount


async def mark_duplicates(
    connection: Connection,
    *,
    tenant_id: TenantId,
    campaign_id: CampaignId,
    list_id: ListId,
    category: str,
    send_at: datetime,
) -> None:
    """Mark every contact but the oldest of one person, and carry the others' refusals over."""
    await connection.execute(
        _SQL.mark_duplicates,
        {
            **_place(tenant_id, campaign_id),
            "list_id": list_id,
            "category": category,
            "send_at": send_at,
        },
    )


async def mark_capped(
    connection: Connection,
    *,
    tenant_id: TenantId,
    campaign_id: CampaignId,
    list_id: ListId,
    messages: int,
    days: int,
    send_at: datetime,
) -> None:
    """Mark people who had `messages` marketing messages in the `days` before `send_at`."""
    await connection.execute(
        _SQL.mark_capped,
        {
            **_place(tenant_id, campaign_id),
            "list_id": list_id,
            "messages": messages,
            "days": days,
            "send_at": send_at,
        },
    )


async def plan_one_chunk(
    connection: Connection, tenant_id: TenantId, campaign_id: CampaignId
) -> bool:
    """Decide about everybody of one piece nobody has; False when there is none.

    Call in a transaction of its own. Who has a row of this campaign by a contact that was merged
    into theirs gets no second one; nobody is merged while the piece is written.
    """
    place = _place(tenant_id, campaign_id)
    held = await connection.execute(_SQL.hold_campaign, place)
    if await held.fetchone() is None:
        return False
    cursor = await connection.execute(_SQL.take_chunk, place)
    row = await cursor.fetchone()
    if row is None:
        return False
    chunk_no, first, end, recipe = row
    if not isinstance(recipe, dict):
        raise TypeError("a recipe is a JSON object")
    await bar_merges(connection, tenant_id)
    await connection.execute(_SQL.give_room)
    await connection.execute(
        _SQL.plan_chunk,
        {
            **recipe,
            **place,
            "chunk_no": chunk_no,
            "first": first,
            "end": end or _LAST,
            # Ids of a piece count on from its instant: they fall to the right end of every index.
            "id_base": (time.time_ns() // 1_000_000 << 16) | 0x7000,
            "id_salt": secrets.token_hex(16),
        },
        # The bounds decide how the tables are joined: a plan made for no bounds in particular
        # reads every contact of the tenant once a piece.
        prepare=False,
    )
    return True


async def list_chunks(
    connection: Connection, tenant_id: TenantId, campaign_id: CampaignId
) -> list[DoneChunk]:
    """Every piece in order; call when none is undone."""
    async with connection.cursor(row_factory=class_row(DoneChunk)) as cursor:
        await cursor.execute(_SQL.list_chunks, _place(tenant_id, campaign_id))
        return await cursor.fetchall()


async def end_run(connection: Connection, tenant_id: TenantId, campaign_id: CampaignId) -> None:
    """Take the scaffolding away; waits for pieces that are being written."""
    await connection.execute(_SQL.end_run, _place(tenant_id, campaign_id))


async def sweep_runs(connection: Connection) -> None:
    """Take away what cancelled plans left."""
    await connection.execute(_SQL.sweep_runs)


def _place(tenant_id: TenantId, campaign_id: CampaignId) -> dict[str, object]:
    return {"tenant_id": tenant_id, "campaign_id": campaign_id}
