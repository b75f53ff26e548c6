"""Plans one campaign in one transaction: all of it is there, or nothing."""

from datetime import timedelta
from typing import Final

import psycopg

from core.domain.ids import CampaignId, TenantId, new_id
from core.domain.market import MarketMap
from core.domain.template import TemplateShape, parse_components
from core.errors import InvalidInput, Unavailable
from core.logs import get_logger
from core.metrics import RECIPIENTS_PLANNED
from core.store import plans
from core.store.database import Connection, Pool, platform_transaction
from core.store.plans import Place, PlanInputs, PlanKey
from sender.planner.skeleton import build_skeleton
from sender.planner.summary import summarise

_SENDABLE: Final = frozenset({"APPROVED", "ACTIVE"})
_log = get_logger(__name__)


class _Superseded(Exception):
    """Nobody waits for this plan any more; its transaction is rolled back."""


async def plan_next(pool: Pool) -> int:
    """Plan every campaign that waits for it; returns how many were planned or refused."""
    async with platform_transaction(pool) as connection:
        waiting = await plans.list_planning_campaigns(connection)
    done = 0
    for tenant_id, campaign_id in waiting:
        done += await _plan_or_refuse(pool, tenant_id, campaign_id)
    return done


async def _plan_or_refuse(pool: Pool, tenant_id: TenantId, campaign_id: CampaignId) -> bool:
    try:
        async with platform_transaction(pool) as connection:
            return await plan_campaign(connection, tenant_id=tenant_id, campaign_id=campaign_id)
    except _Superseded:
        return False
    except InvalidInput as error:
        reason = error.detail
        _log.info("a plan is impossible", campaign_id=str(campaign_id), code=error.code)
    except (Unavailable, psycopg.OperationalError):
        raise
    except Exception:  # noqa: BLE001 - one bad campaign must not hold up everybody's plans
        reason = "an unforeseen error, which was logged with the campaign's id"
        _log.exception("a plan failed", campaign_id=str(campaign_id))
    async with platform_transaction(pool) as connection:
        await plans.fail_plan(
            connection, tenant_id=tenant_id, campaign_id=campaign_id, reason=reason
        )
    return True


async def plan_campaign(
    connection: Connection, *, tenant_id: TenantId, campaign_id: CampaignId
) -> bool:
    """Write a campaign's rows, plan and hash; False when another planner has it.

    Raises InvalidInput when no plan is possible. Rows of an earlier plan are replaced, so planning
    again ends in the same plan and the same hash as long as nothing else has changed.
    """
    inputs = await plans.begin_plan(connection, tenant_id=tenant_id, campaign_id=campaign_id)
    if inputs is None:
        return False
    _check(inputs)
    shape = parse_components(inputs.components)
    skeleton = build_skeleton(
        shape=shape,
        name=inputs.template_name,
        language=inputs.template_language,
        parameters=inputs.parameters,
    )
    key = PlanKey(
        tenant_id=tenant_id,
        campaign_id=campaign_id,
        lowest=new_id(inputs.created_at - timedelta(minutes=1)),
    )
    places = await _places(connection, tenant_id, inputs)
    await plans.insert_plan(connection, key, inputs, places=places, skeleton=skeleton)
    await _finish(connection, key, inputs, shape)
    return True


def _check(inputs: PlanInputs) -> None:
    """What makes every plan impossible, said before anything is written."""
    if inputs.template_waba_id != inputs.waba_id:
        raise InvalidInput("the template belongs to another WhatsApp account than the number")
    if inputs.template_status.upper() not in _SENDABLE:
        raise InvalidInput(f"the template is {inputs.template_status.lower()}, not approved")
    if inputs.halted_reason is not None:
        raise InvalidInput(f"the template is halted: {inputs.halted_reason}")
    if inputs.blocked_reason is not None:
        raise InvalidInput(f"the WhatsApp account is blocked: {inputs.blocked_reason}")


async def _places(connection: Connection, tenant_id: TenantId, inputs: PlanInputs) -> list[Place]:
    """Market and country of each beginning of an address in the audience, on the account's day."""
    rows = await plans.list_market_rows(connection, on_day=inputs.local_date)
    market_map = MarketMap(rows)
    prefixes = await plans.list_audience_prefixes(
        connection, tenant_id=tenant_id, list_id=inputs.list_id
    )
    return [
        Place(
            prefix=prefix,
            market=market_map.market_for(prefix, inputs.local_date),
            country=market_map.country_for(prefix, inputs.local_date),
        )
        for prefix in prefixes
    ]


async def _finish(
    connection: Connection, key: PlanKey, inputs: PlanInputs, shape: TemplateShape
) -> None:
    counts = await plans.count_plan(connection, key)
    if not counts:
        raise InvalidInput("the list has no members")
    rates = await plans.list_plan_rates(
        connection,
        currency=inputs.currency,
        category=inputs.category,
        on_day=inputs.local_date,
    )
    plan = summarise(
        inputs=inputs,
        shape=shape,
        counts=counts,
        rates=rates,
        samples=await plans.list_plan_samples(connection, key),
        neighbours=await plans.count_neighbours(
            connection, key, phone_number_id=inputs.phone_number_id
        ),
    )
    plan_hash = await plans.hash_plan(connection, key, template_version_hash=inputs.version_hash)
    if not await plans.finish_plan(connection, key, inputs, plan=plan, plan_hash=plan_hash):
        raise _Superseded
    for count in counts:
        RECIPIENTS_PLANNED.labels(count.exclusion_reason or "queued").inc(count.messages)
