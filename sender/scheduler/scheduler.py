"""One round of the scheduler. Each change is one conditional UPDATE: any number may run."""

from typing import Final
from zoneinfo import ZoneInfo

from core.domain.ids import CampaignId, new_id
from core.domain.schedules import instant_of, next_occurrence, parse_rule
from core.logs import get_logger
from core.store import schedules
from core.store.database import Connection, Pool, platform_transaction
from core.store.schedules import DueSeries, Moved
from sender.planner.repricing import reprice_stale

_log = get_logger(__name__)
#: The order matters: what must not start is stopped before what is due starts.
_STEPS: Final = (
    ("a template changed", schedules.mark_changed_templates),
    ("a standing approval covers a plan", schedules.approve_by_series),
    ("a schedule was missed", schedules.pause_missed),
    ("a scheduled campaign starts", schedules.start_due),
)


async def run_schedules(pool: Pool) -> int:
    """Make what series owe, then start what is due; returns how many campaigns changed."""
    async with platform_transaction(pool) as connection:
        made = await _make_occurrences(connection)
    changed = made
    async with platform_transaction(pool) as connection:
        changed += await reprice_stale(connection)
    for what, step in _STEPS:
        async with platform_transaction(pool) as connection:
            moved = await step(connection)
        _tell(what, moved)
        changed += len(moved)
    return changed


def _tell(what: str, moved: list[Moved]) -> None:
    for campaign in moved:
        _log.info(what, tenant_id=str(campaign.tenant_id), campaign_id=str(campaign.campaign_id))


async def _make_occurrences(connection: Connection) -> int:
    """One occurrence of every due series; a series that owes more comes round in the next round."""
    due = await schedules.list_due_series(connection)
    for series in due:
        occurrence = await schedules.make_occurrence(
            connection, series, campaign_id=CampaignId(new_id())
        )
        await _move_on(connection, series)
        _log.info(
            "an occurrence of a series",
            tenant_id=str(series.tenant_id),
            reason=(occurrence.skipped_reason if occurrence else "made before") or "made",
        )
    return len(due)


async def _move_on(connection: Connection, series: DueSeries) -> None:
    following = next_occurrence(parse_rule(series.rule), series.starts_at, after=series.next_local)
    zone = ZoneInfo(series.timezone)
    await schedules.move_series_on(
        connection,
        series,
        next_local=following,
        next_at=instant_of(following, zone) if following else None,
    )
