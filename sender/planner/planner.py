"""Plans campaigns piece by piece; any number of planners share the work, and any may die."""

import asyncio
import hashlib
import json
from datetime import UTC, datetime
from typing import Final

import psycopg

from core.clock import utc_now
from core.domain.ids import CampaignId, TenantId
from core.domain.market import MarketMap
from core.domain.quotes import Portion, quote
from core.errors import InvalidInput, Unavailable
from core.logs import get_logger
from core.metrics import RECIPIENTS_PLANNED
from core.store import plan_runs, plans, segments
from core.store.database import Connection, Pool, platform_transaction
from core.store.merges import bar_merges
from core.store.plan_runs import DoneChunk
from core.store.plans import PlanInputs, plan_key
from core.store.prices import read_prices
from sender.planner.forecast import forecast
from sender.planner.recipe import (
    Variant,
    audience_zones,
    build_recipe,
    build_variants,
    own_hashes,
    own_template,
    template_ids,
)
from sender.planner.summary import Group, read_groups, summarise

CHUNK_SIZE: Final = 25_000
"""People a piece: a second of work, and the most that a killed planner does twice."""
_PARALLEL: Final = 2
_log = get_logger(__name__)


class _Superseded(Exception):
    """Nobody waits for this plan any more; its transaction is rolled back."""


async def plan_next(pool: Pool, *, chunk_size: int = CHUNK_SIZE) -> int:
    """Plan every campaign that waits for it; returns how many were planned or refused."""
    async with platform_transaction(pool) as connection:
        await plan_runs.sweep_runs(connection)
        waiting = await plans.list_planning_campaigns(connection)
    done = 0
    for tenant_id, campaign_id in waiting:
        done += await _plan_or_refuse(pool, tenant_id, campaign_id, chunk_size)
    return done


async def _plan_or_refuse(
    pool: Pool, tenant_id: TenantId, campaign_id: CampaignId, chunk_size: int
) -> bool:
    try:
        return await plan_campaign(
            pool, tenant_id=tenant_id, campaign_id=campaign_id, chunk_size=chunk_size
        )
    except _Superseded:
        return False
    except InvalidInput as error:
        reason = error.detail
        _log.info("a plan is impossible", campaign_id=str(campaign_id), code=error.code)
    except (Unavailable, psycopg.OperationalError):
        raise
    except Exception as error:
        if isinstance(error, ExceptionGroup) and error.subgroup(
            (Unavailable, psycopg.OperationalError)
        ):
            # The database went away under some of the chunks: another try ends the plan.
            raise Unavailable("the database went away in the middle of a plan") from error
        reason = "an unforeseen error, which was logged with the campaign's id"
        _log.exception("a plan failed", campaign_id=str(campaign_id))
    await _refuse(pool, tenant_id, campaign_id, reason)
    return True


async def _refuse(pool: Pool, tenant_id: TenantId, campaign_id: CampaignId, reason: str) -> None:
    """End a plan without one: no row of it stays."""
    async with platform_transaction(pool) as connection:
        inputs = await plans.get_inputs(connection, tenant_id, campaign_id)
        await plan_runs.end_run(connection, tenant_id, campaign_id)
        if inputs is not None:
            key = plan_key(tenant_id, campaign_id, inputs.created_at)
            await plans.discard_plan(connection, key)
        await plans.fail_plan(
            connection, tenant_id=tenant_id, campaign_id=campaign_id, reason=reason
        )


async def plan_campaign(
    pool: Pool, *, tenant_id: TenantId, campaign_id: CampaignId, chunk_size: int = CHUNK_SIZE
) -> bool:
    """Write a campaign's rows, plan and hash; False when another planner ends it.

    Raises InvalidInput when no plan is possible. What another planner left is gone on with. Rows of
    an earlier plan are replaced, so planning again ends in the same plan and the same hash as long
    as nothing else has changed.
    """
    async with platform_transaction(pool) as connection:
        if not await _begin(connection, tenant_id, campaign_id, chunk_size):
            return False
    async with asyncio.TaskGroup() as tasks:
        for _ in range(_PARALLEL):
            tasks.create_task(_plan_chunks(pool, tenant_id, campaign_id))
    async with platform_transaction(pool) as connection:
        return await _finish(connection, tenant_id, campaign_id)


async def _begin(
    connection: Connection, tenant_id: TenantId, campaign_id: CampaignId, chunk_size: int
) -> bool:
    """Fix what the plan is made of, unless somebody has; False when somebody is at it."""
    if await plan_runs.get_run(connection, tenant_id, campaign_id) is not None:
        return True
    if not await plan_runs.lock_plan(connection, campaign_id):
        return False
    inputs = await plans.get_inputs(connection, tenant_id, campaign_id)
    if inputs is None:
        return False
    if await plan_runs.get_run(connection, tenant_id, campaign_id) is not None:
        return True
    variants, attributes = await _variants(connection, tenant_id, inputs)
    await bar_merges(connection, tenant_id)
    await plans.discard_plan(connection, plan_key(tenant_id, campaign_id, inputs.created_at))
    await plan_runs.give_room(connection)
    await segments.freeze(connection, tenant_id=tenant_id, list_id=inputs.list_id, at=utc_now())
    audience = await plan_runs.survey_audience(
        connection, tenant_id=tenant_id, list_id=inputs.list_id
    )
    recipe = build_recipe(
        inputs,
        variants=variants,
        attributes=attributes,
        audience=audience,
        market_map=MarketMap(await plans.list_market_rows(connection, on_day=inputs.local_date)),
        known_zones=await plan_runs.known_zones(connection, audience_zones(audience)),
    )
    neighbours = await plans.count_neighbours(
        connection,
        plan_key(tenant_id, campaign_id, inputs.created_at),
        phone_number_id=inputs.phone_number_id,
    )
    recipe["has_others"] = neighbours > 0
    recipe["identity"] = _identity(inputs, variants, recipe)
    recipe["variant_hashes"] = own_hashes(variants, inputs)
    pieces = await plan_runs.begin_run(
        connection,
        tenant_id=tenant_id,
        campaign_id=campaign_id,
        list_id=inputs.list_id,
        recipe=recipe,
        chunk_size=chunk_size,
    )
    if not pieces:
        raise InvalidInput("the list has no members")
    await _mark(connection, tenant_id, campaign_id, inputs)
    return True


async def _variants(
    connection: Connection, tenant_id: TenantId, inputs: PlanInputs
) -> tuple[list[Variant], list[str]]:
    own = own_template(inputs)
    others = await plans.list_templates(connection, tenant_id, template_ids(inputs))
    return build_variants(inputs, own, others)


async def _mark(
    connection: Connection, tenant_id: TenantId, campaign_id: CampaignId, inputs: PlanInputs
) -> None:
    """What takes a look at the whole audience, or at other campaigns."""
    await plan_runs.mark_duplicates(
        connection,
        tenant_id=tenant_id,
        campaign_id=campaign_id,
        list_id=inputs.list_id,
        category=inputs.category,
        send_at=inputs.send_at,
    )
    messages, days = inputs.marketing_cap_messages, inputs.marketing_cap_days
    if inputs.category == "marketing" and messages is not None and days is not None:
        await plan_runs.mark_capped(
            connection,
            tenant_id=tenant_id,
            campaign_id=campaign_id,
            list_id=inputs.list_id,
            messages=messages,
            days=days,
            send_at=inputs.send_at,
        )


def _identity(
    inputs: PlanInputs, variants: list[Variant], recipe: dict[str, object]
) -> dict[str, object]:
    """What of a plan its hash covers besides the people and their values."""
    return {
        "templates": [variant.template.version_hash for variant in variants],
        "timing": [_text(inputs.scheduled_at), inputs.local_delivery, inputs.tenant_timezone],
        "waves": inputs.canary and inputs.canary.get("percents"),
        "quote": [inputs.currency, inputs.local_date.isoformat()],
        **{
            name: recipe[name]
            for name in (
                "phone_number_id",
                "category",
                "attributes",
                "holdout",
                "variant_names",
                "variant_ends",
                "variant_templates",
                "variant_formats",
            )
        },
    }


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat()


async def _plan_chunks(pool: Pool, tenant_id: TenantId, campaign_id: CampaignId) -> None:
    while True:
        async with platform_transaction(pool) as connection:
            if not await plan_runs.plan_one_chunk(connection, tenant_id, campaign_id):
                return


async def _finish(connection: Connection, tenant_id: TenantId, campaign_id: CampaignId) -> bool:
    """Show the plan, if every piece is done and nobody else does."""
    if not await plan_runs.lock_plan(connection, campaign_id):
        return False
    inputs = await plans.get_inputs(connection, tenant_id, campaign_id)
    run = await plan_runs.get_run(connection, tenant_id, campaign_id)
    if inputs is None or run is None or run.chunks_left:
        return False
    chunks = await plan_runs.list_chunks(connection, tenant_id, campaign_id)
    if not any(chunk.decided for chunk in chunks):
        raise InvalidInput("the list has no members")
    identity = run.recipe["identity"]
    groups = read_groups(chunks)
    plan = await _summary(connection, tenant_id, campaign_id, inputs, groups, chunks)
    key = plan_key(tenant_id, campaign_id, inputs.created_at)
    finished = await plans.finish_plan(
        connection,
        key,
        inputs,
        plan=plan,
        plan_hash=plan_hash(identity, chunks),
        variant_hashes=run.recipe.get("variant_hashes"),
    )
    if not finished:
        raise _Superseded
    await plan_runs.end_run(connection, tenant_id, campaign_id)
    for group in groups:
        RECIPIENTS_PLANNED.labels(group.exclusion_reason or "queued").inc(group.people)
    return True


def plan_hash(identity: object, chunks: list[DoneChunk]) -> str:
    """SHA-256, in hex, of who gets what, when: equal for equal plans, whatever ids rows have."""
    whole = [identity, [chunk.digest for chunk in chunks]]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


async def _summary(
    connection: Connection,
    tenant_id: TenantId,
    campaign_id: CampaignId,
    inputs: PlanInputs,
    groups: list[Group],
    chunks: list[DoneChunk],
) -> dict[str, object]:
    key = plan_key(tenant_id, campaign_id, inputs.created_at)
    variants, _ = await _variants(connection, tenant_id, inputs)
    sent = [group for group in groups if group.exclusion_reason is None]
    portfolio = await plans.get_portfolio(connection, tenant_id, inputs.portfolio_id)
    neighbours = await plans.count_neighbours(
        connection, key, phone_number_id=inputs.phone_number_id
    )
    prices = await read_prices(
        connection,
        currency=inputs.currency,
        category=inputs.category,
        on_day=inputs.local_date,
    )
    return summarise(
        inputs=inputs,
        variants=variants,
        groups=groups,
        chunks=chunks,
        cost=quote(
            (
                Portion(
                    market=group.market,
                    in_window=group.in_window,
                    in_free_entry=group.in_free_entry,
                    messages=group.people,
                )
                for group in sent
            ),
            prices,
        ),
        forecast=forecast(
            inputs=inputs,
            sent=sent,
            portfolio=portfolio,
            rules=await plans.list_quiet_hours(connection, tenant_id),
            neighbours=neighbours,
        ),
        portfolio=portfolio,
    )
