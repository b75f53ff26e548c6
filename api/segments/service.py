"""Keeps segments, and shows whom a filter means."""

from typing import Final
from uuid import UUID

import psycopg

from api.deps import Caller
from api.dto import Answer, Page
from api.list_filters import Made
from api.pagination import Pager
from api.problems import Problem
from api.rows import execute, fetch_all, fetch_known
from api.segments.schemas import (
    ChangeSegment,
    CreateSegment,
    Segment,
    SegmentPerson,
    SegmentPreview,
)
from core.domain.attributes import Attribute
from core.domain.ids import TenantId, new_id
from core.domain.segments import BadFilter, Filter, parse_filter
from core.errors import InvalidInput
from core.store.attributes import list_declared
from core.store.database import Connection
from core.store.queries import load
from core.store.segments import compile_filter, count_people, sample_people

_sql = load("segments")
_MOST: Final = 1_000
_SAMPLE: Final = 20


class _Count(Answer):
    segments: int


async def create(connection: Connection, caller: Caller, wanted: CreateSegment) -> Segment:
    """A new segment. Raises InvalidInput for a bad filter, Problem when the name is taken."""
    await _read(connection, caller.tenant_id, wanted.filter)
    place = {"tenant_id": caller.tenant_id, "segment_id": new_id()}
    count = await fetch_known(connection, _Count, _sql.count_segments, place, what="tenant")
    if count.segments >= _MOST:
        raise Problem("conflict", f"a tenant has at most {_MOST} segments")
    values = {**place, "name": wanted.name, "filter": wanted.filter, "created_by": caller.subject}
    if not await execute(connection, _sql.insert_segment, values):
        raise Problem("conflict", "a segment of this name is there already")
    caller.audit(target_kind="segment", target_id=place["segment_id"])
    return await _get(connection, place)


async def preview(caller: Caller, text: str) -> SegmentPreview:
    """Count and sample of one instant. Raises InvalidInput for a bad filter."""
    async with caller.transaction(snapshot=True) as connection:
        declared, found = await _read(connection, caller.tenant_id, text)
        people = compile_filter(found, caller.tenant_id, caller.state.clock.now())
        count = await count_people(connection, people)
        sample = await sample_people(connection, people, limit=_SAMPLE)
    shown = {name for name, attribute in declared.items() if not attribute.personal}
    return SegmentPreview(
        people=count,
        sample=[
            SegmentPerson(
                contact_id=person.contact_id,
                country=person.country,
                language=person.language,
                attributes={
                    name: value for name, value in person.attributes.items() if name in shown
                },
                created_at=person.created_at,
            )
            for person in sample
        ],
    )


async def list_segments(caller: Caller, pager: Pager, made: Made) -> Page[Segment]:
    """The tenant's, newest first."""
    async with caller.transaction() as connection:
        rows = await fetch_all(
            connection,
            Segment,
            _sql.list_segments,
            {
                "tenant_id": caller.tenant_id,
                "after": pager.after_id,
                **made.parameters(),
                "limit": pager.fetch,
            },
        )
    return pager.page(rows, lambda row: row.segment_id)


async def get(caller: Caller, segment_id: UUID) -> Segment:
    """One of them."""
    async with caller.transaction() as connection:
        return await _get(connection, {"tenant_id": caller.tenant_id, "segment_id": segment_id})


async def change(caller: Caller, segment_id: UUID, wanted: ChangeSegment) -> Segment:
    """Change name or filter. Raises Problem when the name is taken."""
    place = {"tenant_id": caller.tenant_id, "segment_id": segment_id}
    try:
        async with caller.transaction() as connection:
            await _hold(connection, caller, place)
            if wanted.filter is not None:
                await _read(connection, caller.tenant_id, wanted.filter)
            values = {**place, "name": wanted.name, "filter": wanted.filter}
            await execute(connection, _sql.change_segment, values)
            caller.audit(
                target_kind="segment",
                target_id=segment_id,
                details={"changed": sorted(wanted.model_dump(exclude_none=True))},
            )
            return await _get(connection, place)
    except psycopg.errors.UniqueViolation:
        raise Problem("conflict", "a segment of this name is there already") from None


async def delete(caller: Caller, segment_id: UUID) -> None:
    """Take it away. Raises Problem when campaigns were made to it."""
    place = {"tenant_id": caller.tenant_id, "segment_id": segment_id}
    try:
        async with caller.transaction() as connection:
            await _hold(connection, caller, place)
            await execute(connection, _sql.delete_segment, place)
            caller.audit(target_kind="segment", target_id=segment_id)
    except psycopg.errors.ForeignKeyViolation:
        raise Problem("conflict", "a campaign was made to this segment") from None


async def _read(
    connection: Connection, tenant_id: TenantId, text: str
) -> tuple[dict[str, Attribute], Filter]:
    declared = await list_declared(connection, tenant_id)
    try:
        return declared, parse_filter(text, declared)
    except BadFilter as error:
        raise InvalidInput(f"at character {error.at + 1}: {error}", pointer="/filter") from error


async def _hold(connection: Connection, caller: Caller, place: dict[str, UUID]) -> None:
    """No other change of the segment until this one ends; Problem 412 for an old If-Match."""
    await connection.execute(_sql.lock_segment, place)
    caller.conditions.check(await _get(connection, place))


async def _get(connection: Connection, place: dict[str, UUID]) -> Segment:
    return await fetch_known(connection, Segment, _sql.get_segment, place, what="segment")
