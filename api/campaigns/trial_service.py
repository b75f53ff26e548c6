"""The results of experiments, and the waves of canaries."""

from itertools import combinations
from uuid import UUID

from api.campaigns.trials import Arm, Comparison, ExperimentResult, ShareOf, Wave, Waves
from api.deps import Caller
from api.dto import Answer
from api.problems import Problem
from api.rows import execute, fetch_all, fetch_known
from core.domain.experiments import Share, differs, share_of
from core.store.queries import load

_sql = load("experiments")


class _ArmCount(Answer):
    variant: str
    people: int
    waiting: int
    stopped: str | None
    accepted: int
    delivered: int
    read: int
    failed: int
    opted_out: int


class _Place(Answer):
    canary: dict[str, object] | None
    experiment: dict[str, object] | None
    status: str
    status_reason: str | None
    released_wave: int
    wave_released_at: object


class _WaveCount(Answer):
    wave: int
    messages: int
    open: int
    failed: int


async def experiment_result(caller: Caller, campaign_id: UUID) -> ExperimentResult:
    """The arms of one instant. Raises NotFound, and Problem when there is no experiment."""
    place = {"tenant_id": caller.tenant_id, "campaign_id": campaign_id}
    async with caller.transaction(snapshot=True) as connection:
        campaign = await fetch_known(connection, _Place, _sql.get_waves, place, what="campaign")
        if campaign.experiment is None:
            raise Problem("not-found", "the campaign has no experiment")
        counts = await fetch_all(connection, _ArmCount, _sql.count_arms, place)
    return ExperimentResult(
        campaign_id=campaign_id,
        arms=[_arm(count) for count in counts],
        comparisons=[_compared(one, other) for one, other in combinations(counts, 2)],
    )


async def waves(caller: Caller, campaign_id: UUID) -> Waves:
    """Where the canary is. Raises NotFound, and Problem when there is none."""
    place = {"tenant_id": caller.tenant_id, "campaign_id": campaign_id}
    async with caller.transaction(snapshot=True) as connection:
        campaign = await fetch_known(connection, _Place, _sql.get_waves, place, what="campaign")
        counts = await fetch_all(connection, _WaveCount, _sql.count_waves, place)
    percents = (campaign.canary or {}).get("percents")
    if not isinstance(percents, list):
        raise Problem("not-found", "the campaign has no canary")
    by_wave = {count.wave: count for count in counts}
    return Waves.model_validate(
        {
            "campaign_id": campaign_id,
            "status": campaign.status,
            "status_reason": campaign.status_reason,
            "released_wave": campaign.released_wave,
            "wave_released_at": campaign.wave_released_at,
            "waves": [
                _wave(number, str(percent), campaign.released_wave, by_wave.get(number))
                for number, percent in enumerate(percents, start=1)
            ],
        }
    )


async def release_next_wave(caller: Caller, campaign_id: UUID) -> Waves:
    """Let the next wave go whatever the gate says. Raises Problem when there is none to release."""
    async with caller.transaction() as connection:
        released = await execute(
            connection,
            _sql.release_next_wave,
            {"tenant_id": caller.tenant_id, "campaign_id": campaign_id},
        )
    found = await waves(caller, campaign_id)
    if not released:
        raise Problem("campaign-state", "no wave of this campaign waits to be released")
    return found


def _wave(number: int, percent: str, released: int, count: _WaveCount | None) -> Wave:
    return Wave(
        wave=number,
        percent=percent,
        released=number <= released,
        messages=count.messages if count else 0,
        open=count.open if count else 0,
        failed=count.failed if count else 0,
    )


def _arm(count: _ArmCount) -> Arm:
    return Arm(
        variant=count.variant,
        people=count.people,
        waiting=count.waiting,
        stopped=count.stopped,
        accepted=count.accepted,
        delivered=_shown(_delivered(count)),
        read=_shown(_read(count)),
        failed=count.failed,
        opted_out=_shown(_opted_out(count)),
    )


def _compared(one: _ArmCount, other: _ArmCount) -> Comparison:
    """People held out got nothing, so only their opt-outs can be compared."""
    measures = {"opted_out": _opted_out}
    if "holdout" not in {one.variant, other.variant}:
        measures |= {"delivered": _delivered, "read": _read}
    return Comparison(
        one=one.variant,
        other=other.variant,
        differ_on=sorted(
            name for name, measure in measures.items() if differs(measure(one), measure(other))
        ),
    )


def _delivered(count: _ArmCount) -> Share:
    return share_of(count.delivered, count.accepted)


def _read(count: _ArmCount) -> Share:
    return share_of(count.read, count.delivered)


def _opted_out(count: _ArmCount) -> Share:
    return share_of(count.opted_out, count.people)


def _shown(share: Share) -> ShareOf:
    return ShareOf(
        messages=share.hits,
        percent=round(share.value * 100, 2),
        low=round(share.low * 100, 2),
        high=round(share.high * 100, 2),
    )
