"""Recurring campaigns as their tenant steers them.

A series is changed under its row's lock, which the scheduler passes over: what is made is made
either of the old series or of the new one. What was made and has not started is withdrawn.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from api.campaigns.audiences import check_audience, frozen_list
from api.campaigns.schemas import ShownState
from api.campaigns.series_rows import Series, shown
from api.campaigns.series_schemas import (
    CampaignSeries,
    ChangeSeries,
    CreateSeries,
    Occurrence,
    Recurrence,
    SeriesStatus,
    UpcomingOccurrence,
    UpcomingOccurrences,
)
from api.campaigns.service import check_parts
from api.campaigns.times import check_something_changes, start_time, tenant_zone
from api.deps import Caller
from api.dto import Answer, Page
from api.list_filters import Made
from api.pagination import Pager
from api.problems import Problem
from api.rows import execute, fetch_all, fetch_known
from core.domain.ids import new_id
from core.domain.schedules import Frequency, Rule, format_rule, parse_rule, upcoming
from core.errors import InvalidInput
from core.store.database import Connection
from core.store.queries import load

_sql = load("series")


class _Key(Answer):
    series_id: UUID


async def create_series(
    connection: Connection, caller: Caller, wanted: CreateSeries
) -> CampaignSeries:
    """A series that begins to make campaigns. Raises InvalidInput when it could make none."""
    check_audience(wanted.list_id, wanted.segment_id)
    await _check_start(connection, caller, wanted.starts_local)
    arms = None if wanted.experiment is None else wanted.experiment.model_dump(mode="json")
    await check_parts(connection, caller, wanted, variant_template_ids=_arm_templates(arms))
    zone = await tenant_zone(connection, caller)
    rule = _rule_of(wanted.recurrence)
    place = {"tenant_id": caller.tenant_id, "series_id": new_id()}
    list_id = wanted.list_id
    if wanted.segment_id is not None:
        name = f"series {place['series_id']}"
        list_id = await frozen_list(connection, caller, wanted.segment_id, name)
    caller.audit(target_kind="series", target_id=place["series_id"])
    await execute(
        connection,
        _sql.insert_series,
        place
        | {
            "name": wanted.name,
            "phone_number_id": wanted.phone_number_id,
            "template_id": wanted.template_id,
            "list_id": list_id,
            "parameters": _stored(wanted.model_dump()["parameters"]),
            "experiment": _stored(arms),
            "canary": wanted.canary and wanted.canary.model_dump_json(),
            "local_delivery": wanted.local_delivery,
            "starts_at": wanted.starts_local,
            "rule": format_rule(rule),
            "max_lateness_seconds": wanted.max_lateness_minutes * 60,
            "lead_seconds": wanted.lead_minutes * 60,
            "subject": caller.subject,
        }
        | _required_next(caller, rule, wanted.starts_local, zone),
    )
    return shown(await _series(connection, place))


async def get_series(caller: Caller, series_id: UUID) -> CampaignSeries:
    """One series."""
    async with caller.transaction() as connection:
        return shown(await _series(connection, _place(caller, series_id)))


async def list_series(
    caller: Caller, pager: Pager, *, made: Made, state: SeriesStatus | None
) -> Page[CampaignSeries]:
    """The tenant's series, newest first."""
    wanted = {
        "tenant_id": caller.tenant_id,
        "after": pager.after_id,
        **made.parameters(),
        "state": state,
        "limit": pager.fetch,
    }
    async with caller.transaction() as connection:
        rows = await fetch_all(connection, Series, _sql.list_series, wanted)
    return pager.page([shown(row) for row in rows], lambda row: row.series_id)


async def change_series(caller: Caller, series_id: UUID, wanted: ChangeSeries) -> CampaignSeries:
    """Change a series. What an approval covers ends it and withdraws what has not started."""
    place = _place(caller, series_id)
    async with caller.transaction() as connection:
        before = await _locked(connection, place)
        caller.conditions.check(shown(before))
        check_something_changes(wanted)
        caller.audit(details={"fields": sorted(wanted.model_fields_set)})
        if wanted.starts_local not in (None, before.starts_at):
            await _check_start(connection, caller, wanted.starts_local)
        after = await _for_whom(connection, caller, _merged(before, wanted), wanted)
        matters = after.covered() != before.covered()
        await check_parts(
            connection, caller, _parts(after), variant_template_ids=_arm_templates(after.experiment)
        )
        await execute(
            connection,
            _sql.change_series,
            place
            | after.model_dump(exclude=_JSON)
            | {name: _stored(getattr(after, name)) for name in _JSON}
            | {
                "matters": matters,
                "subject": caller.subject,
            },
        )
        if matters:
            await _begin_anew(connection, caller, after)
        return shown(await _series(connection, place))


async def _begin_anew(connection: Connection, caller: Caller, series: Series) -> None:
    """Withdraw what was made of the old series; the next occurrence is the new one's."""
    place = _place(caller, series.series_id)
    await _withdraw(connection, caller, place, "changed")
    if series.status != "paused":
        rule, zone = parse_rule(series.rule), ZoneInfo(series.timezone)
        following = _required_next(caller, rule, series.starts_at, zone)
        await _set_status(connection, place, "active", following)


async def approve_series(caller: Caller, series_id: UUID, approval_hash: str) -> CampaignSeries:
    """A standing approval of exactly what was read. Raises Problem when it is another by now."""
    place = _place(caller, series_id)
    async with caller.transaction() as connection:
        series = await _locked(connection, place)
        if series.approval_hash != approval_hash:
            raise Problem("conflict", "the series or its template has changed since you read it")
        if series.four_eyes and series.changed_by_person == caller.person:
            raise Problem("four-eyes", "who wrote a series can't give its standing approval")
        approval = {
            "subject": caller.subject,
            "version_hash": series.version_hash,
            "category": series.category,
            "variant_hashes": _stored(series.variant_hashes),
        }
        await execute(connection, _sql.approve_series, place | approval)
        return shown(await _series(connection, place))


async def pause_series(caller: Caller, series_id: UUID) -> CampaignSeries:
    """Make nothing more, and withdraw what has not started. Harmless when repeated."""
    place = _place(caller, series_id)
    async with caller.transaction() as connection:
        series = await _locked(connection, place)
        if series.status == "ended":
            raise Problem("conflict", "the series has ended: no occurrence of it is left")
        await _withdraw(connection, caller, place, "paused")
        await _set_status(connection, place, "paused", _NO_NEXT)
        return shown(await _series(connection, place))


async def resume_series(caller: Caller, series_id: UUID) -> CampaignSeries:
    """Go on with the next occurrence from now; what the pause left out stays out."""
    place = _place(caller, series_id)
    async with caller.transaction() as connection:
        series = await _locked(connection, place)
        if series.status == "ended":
            raise Problem("conflict", "the series has ended: PATCH its recurrence to go on")
        if series.status == "paused":
            zone = ZoneInfo(series.timezone)
            following = _next(caller, parse_rule(series.rule), series.starts_at, zone)
            status = "active" if following["next_at"] is not None else "ended"
            await _set_status(connection, place, status, following)
        return shown(await _series(connection, place))


async def delete_series(caller: Caller, series_id: UUID) -> None:
    """End a series for ever. Campaigns that were started go on; the others are withdrawn."""
    place = _place(caller, series_id)
    async with caller.transaction() as connection:
        caller.conditions.check(shown(await _locked(connection, place)))
        await _withdraw(connection, caller, place, "deleted")
        await _set_status(connection, place, "deleted", _NO_NEXT)


async def upcoming_occurrences(caller: Caller, series_id: UUID, count: int) -> UpcomingOccurrences:
    """What the rule says from now on, whatever the series' status."""
    async with caller.transaction() as connection:
        series = await _series(connection, _place(caller, series_id))
    found = upcoming(
        parse_rule(series.rule),
        series.starts_at,
        ZoneInfo(series.timezone),
        now=caller.state.clock.now(),
        limit=count,
    )
    return UpcomingOccurrences(
        timezone=series.timezone,
        items=[UpcomingOccurrence(occurs_local=wall, occurs_at=at) for wall, at in found],
    )


async def list_occurrences(
    caller: Caller, series_id: UUID, pager: Pager, *, made: Made, state: ShownState | None
) -> Page[Occurrence]:
    """What became of each occurrence, the last first."""
    place = _place(caller, series_id)
    async with caller.transaction() as connection:
        await _series(connection, place)
        rows = await fetch_all(
            connection,
            Occurrence,
            _sql.list_occurrences,
            {
                **place,
                "after": pager.after,
                **made.parameters(),
                "state": state,
                "limit": pager.fetch,
            },
        )
    return pager.page(rows, lambda row: row.occurs_local.isoformat())


_JSON: Final = {"parameters", "experiment", "canary", "variant_hashes", "approved_variant_hashes"}
_NO_NEXT: Final[Mapping[str, object]] = {"next_local": None, "next_at": None}


def _place(caller: Caller, series_id: UUID) -> dict[str, object]:
    return {"tenant_id": caller.tenant_id, "series_id": series_id}


async def _series(connection: Connection, place: Mapping[str, object]) -> Series:
    return await fetch_known(connection, Series, _sql.get_series, place, what="series")


async def _locked(connection: Connection, place: Mapping[str, object]) -> Series:
    """The series, held against the scheduler and other changes. Raises NotFound."""
    await fetch_known(connection, _Key, _sql.lock_series, place, what="series")
    return await _series(connection, place)


async def _set_status(
    connection: Connection,
    place: Mapping[str, object],
    status: str,
    following: Mapping[str, object],
) -> None:
    await execute(connection, _sql.set_series_status, {**place, **following, "status": status})


async def _withdraw(
    connection: Connection, caller: Caller, place: Mapping[str, object], what: str
) -> None:
    reason = f"series {what} by {caller.subject}"
    await execute(connection, _sql.withdraw_campaigns, {**place, "reason": reason})


async def _check_start(connection: Connection, caller: Caller, wall: datetime | None) -> None:
    try:
        await start_time(connection, caller, at=None, wall=wall)
    except InvalidInput as error:
        raise InvalidInput(error.detail, pointer="/starts_local") from error


async def _for_whom(
    connection: Connection, caller: Caller, after: Series, wanted: ChangeSeries
) -> Series:
    """The series for the list or the segment that is wanted now; without either as it is."""
    if wanted.list_id is not None and wanted.segment_id is not None:
        check_audience(wanted.list_id, wanted.segment_id)
    if wanted.list_id is not None:
        return after.model_copy(update={"segment_id": None})
    if wanted.segment_id is None or wanted.segment_id == after.segment_id:
        return after
    # Names of lists are unique, and that of before stays for what was made by it.
    name = f"series {after.series_id} {new_id()}"
    list_id = await frozen_list(connection, caller, wanted.segment_id, name)
    return after.model_copy(update={"list_id": list_id, "segment_id": wanted.segment_id})


def _parts(series: Series) -> Series:
    """What is looked up; the list that stands for a segment is nobody's to choose."""
    return series if series.segment_id is None else series.model_copy(update={"list_id": None})


def _merged(before: Series, wanted: ChangeSeries) -> Series:
    """The series as it will be."""
    given = wanted.model_dump(
        exclude_none=True,
        include={"name", "phone_number_id", "template_id", "list_id", "parameters"}
        | {"local_delivery"},
    )
    for name in ("experiment", "canary"):
        if name in wanted.model_fields_set:
            trial = getattr(wanted, name)
            given[name] = trial and trial.model_dump(mode="json")
    if wanted.starts_local is not None:
        given["starts_at"] = wanted.starts_local
    if wanted.recurrence is not None:
        given["rule"] = format_rule(_rule_of(wanted.recurrence))
    if wanted.lead_minutes is not None:
        given["lead_seconds"] = wanted.lead_minutes * 60
    if wanted.max_lateness_minutes is not None:
        given["max_lateness_seconds"] = wanted.max_lateness_minutes * 60
    return before.model_copy(update=given)


def _next(caller: Caller, rule: Rule, starts_at: datetime, zone: ZoneInfo) -> dict[str, object]:
    found = upcoming(rule, starts_at, zone, now=caller.state.clock.now(), limit=1)
    wall, at = found[0] if found else (None, None)
    return {"next_local": wall, "next_at": at}


def _required_next(
    caller: Caller, rule: Rule, starts_at: datetime, zone: ZoneInfo
) -> dict[str, object]:
    following = _next(caller, rule, starts_at, zone)
    if following["next_at"] is None:
        raise InvalidInput("no occurrence of it lies ahead", pointer="/recurrence")
    return following


def _stored(value: Mapping[str, object] | None) -> str | None:
    return None if value is None else json.dumps(value)


def _arm_templates(experiment: Mapping[str, Any] | None) -> set[UUID]:
    """The templates that arms have of their own."""
    arms = (experiment or {}).get("variants", ())
    return {UUID(arm["template_id"]) for arm in arms if arm["template_id"] is not None}


def _rule_of(recurrence: Recurrence) -> Rule:
    return Rule(
        frequency=Frequency(recurrence.frequency),
        interval=recurrence.interval,
        weekdays=frozenset(recurrence.weekdays),
        month_day=recurrence.month_day,
        until=recurrence.until,
        count=recurrence.count,
    )
