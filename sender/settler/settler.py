"""The settler's rounds; each is guarded by row locks, so any number of settlers may run."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from core.domain.ids import PhoneNumberId, TenantId
from core.metrics import IN_DOUBT_SETTLED
from core.settings import Settings
from core.store import settlement
from core.store.database import Connection, Pool, platform_transaction
from core.store.dispatch import QUARANTINE_AFTER
from core.store.settlement import Doubt, Verdict
from sender.consequences import open_quarantine_alerts
from sender.settler.policy import Evidence, judge, weigh

_Grain = tuple[TenantId, PhoneNumberId, int]

_BATCH: Final = 1_000
_CANCEL_BATCH: Final = 5_000
_CONTROL_GRAIN_SECONDS: Final = 15


async def settle(settings: Settings, pool: Pool) -> int:
    """One round: leases, doubts, cancelled campaigns, finished ones; returns messages moved."""
    async with platform_transaction(pool) as connection:
        lost = await settlement.expire_leases(
            connection, limit=_BATCH, quarantine_after=QUARANTINE_AFTER
        )
        poison = [claim for claim in lost if claim.is_poison]
        await open_quarantine_alerts(
            connection, [(claim.tenant_id, claim.message_id) for claim in poison]
        )
    moved = len(lost)
    moved += await _settle_doubts(settings, pool)
    async with platform_transaction(pool) as connection:
        moved += await settlement.cancel_queued(connection, limit=_CANCEL_BATCH)
    async with platform_transaction(pool) as connection:
        await settlement.finish_campaigns(connection)
    return moved


async def _settle_doubts(settings: Settings, pool: Pool) -> int:
    known: dict[_Grain, Evidence] = {}
    page: list[Doubt] = []
    moved = 0
    while True:
        async with platform_transaction(pool) as connection:
            page = await settlement.list_doubts(
                connection,
                listening_since=await settlement.find_listening_since(
                    connection, quiet_seconds=settings.in_doubt_quiet_seconds
                ),
                quiet_seconds=settings.in_doubt_quiet_seconds,
                give_up_seconds=settings.in_doubt_give_up_seconds,
                after=page[-1] if page else None,
                limit=_BATCH,
            )
            settled = await settlement.settle_doubts(
                connection, await _verdicts(connection, page, known)
            )
        for state, count in settled.items():
            IN_DOUBT_SETTLED.labels(state).inc(count)
        moved += sum(settled.values())
        if len(page) < _BATCH:
            return moved


async def _verdicts(
    connection: Connection, doubts: Sequence[Doubt], known: dict[_Grain, Evidence]
) -> list[Verdict]:
    """The doubts that can be ended now; the evidence of a moment is weighed once."""
    verdicts = []
    for doubt in doubts:
        grain = _grain(doubt)
        if grain not in known:
            controls = await settlement.count_controls(
                connection,
                tenant_id=doubt.tenant_id,
                phone_number_id=doubt.phone_number_id,
                at=doubt.claimed_at,
            )
            known[grain] = weigh(controls)
        state = judge(doubt, known[grain])
        if state is not None:
            verdicts.append(Verdict(doubt=doubt, state=state))
    return verdicts


def _grain(doubt: Doubt) -> _Grain:
    """Doubts of one number in the same quarter of a minute share their control group."""
    at: datetime = doubt.claimed_at
    return (
        doubt.tenant_id,
        doubt.phone_number_id,
        int(at.timestamp()) // _CONTROL_GRAIN_SECONDS,
    )
