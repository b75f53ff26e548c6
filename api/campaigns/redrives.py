"""Try again what failed: counted first, then done once, as new attempts of the same messages."""

from uuid import UUID

from api.campaigns.redrive_schemas import (
    Redrive,
    RedriveAnswer,
    RedriveCount,
    RedriveRequest,
    RedriveState,
)
from api.deps import Caller
from api.dto import Answer, Page
from api.list_filters import Made
from api.pagination import Pager
from api.problems import Problem
from api.rows import execute, fetch_all, fetch_known
from core.domain.ids import new_id
from core.domain.provider_errors import classify
from core.store.database import Connection
from core.store.queries import load

_sql = load("redrives")


class _Count(Answer):
    state: str
    error_code: int | None
    reason: str | None
    messages: int


async def redrive(
    connection: Connection, caller: Caller, campaign_id: UUID, wanted: RedriveRequest
) -> RedriveAnswer:
    """Count what the filter means and, unless it is a dry run, ask the settler for it.

    Raises NotFound, and Problem when the count is another one by now or the campaign has ended.
    """
    place = {"tenant_id": caller.tenant_id, "campaign_id": campaign_id}
    await fetch_known(
        connection, _Known, load("campaigns").get_campaign_status, place, what="campaign"
    )
    values: dict[str, object] = {
        **place,
        "states": list(wanted.states),
        "error_codes": wanted.error_codes,
        "reasons": wanted.reasons,
        "changed_after": wanted.failed_after,
        "changed_before": wanted.failed_before,
        "include_unconfirmed": wanted.include_unconfirmed,
    }
    counts = await fetch_all(connection, _Count, _sql.count_redrivable, values)
    matching = sum(count.messages for count in counts)
    asked = None
    if not wanted.dry_run:
        asked = await _ask(connection, caller, campaign_id, wanted, values, matching)
    return RedriveAnswer(
        campaign_id=campaign_id,
        dry_run=wanted.dry_run,
        matching=matching,
        by_error=[_counted(count) for count in counts],
        redrive=asked,
    )


async def list_redrives(
    caller: Caller, campaign_id: UUID, pager: Pager, *, made: Made, state: RedriveState | None
) -> Page[Redrive]:
    """A campaign's re-drives, newest first."""
    place = {"tenant_id": caller.tenant_id, "campaign_id": campaign_id}
    async with caller.transaction() as connection:
        await fetch_known(
            connection, _Known, load("campaigns").get_campaign_status, place, what="campaign"
        )
        rows = await fetch_all(
            connection,
            Redrive,
            _sql.list_redrives,
            {
                **place,
                "after": pager.after_id,
                **made.parameters(),
                "state": state,
                "limit": pager.fetch,
            },
        )
    return pager.page(rows, lambda row: row.redrive_id)


class _Known(Answer):
    status: str


async def _ask(
    connection: Connection,
    caller: Caller,
    campaign_id: UUID,
    wanted: RedriveRequest,
    values: dict[str, object],
    matching: int,
) -> Redrive:
    if matching != wanted.expected_messages:
        raise Problem(
            "redrive-count",
            f"the filter now means {matching} messages, not {wanted.expected_messages}",
            extra={"matching": matching},
        )
    redrive_id = new_id()
    caller.audit(details={"redrive_id": str(redrive_id), "messages": matching})
    asked = await execute(
        connection,
        _sql.insert_redrive,
        {
            **values,
            "redrive_id": redrive_id,
            "matching": matching,
            "requested_by": caller.subject,
        },
    )
    if not asked:
        raise Problem("campaign-state", "only a campaign that ran can be tried again")
    return await fetch_known(
        connection,
        Redrive,
        _sql.get_redrive,
        {
            "tenant_id": caller.tenant_id,
            "campaign_id": campaign_id,
            "redrive_id": redrive_id,
        },
        what="re-drive",
    )


def _counted(count: _Count) -> RedriveCount:
    name = None if count.error_code is None else classify(count.error_code, None).name
    return RedriveCount(
        state=count.state,
        error_code=count.error_code,
        error_name=name,
        reason=count.reason,
        messages=count.messages,
    )
