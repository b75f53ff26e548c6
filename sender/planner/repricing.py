"""A new price of a plan when a template's category has changed."""

from core.clock import utc_now
from core.domain.ids import CampaignId, TenantId
from core.domain.quotes import Portion, add_quotes, quote
from core.store import plans
from core.store.database import Connection
from core.store.prices import read_prices


async def reprice_stale(connection: Connection) -> int:
    """Price anew what was marked when a category changed, by webhook or sync; returns how many."""
    stale = await plans.list_stale_prices(connection)
    for tenant_id, campaign_id in stale:
        await reprice_plan(connection, tenant_id, campaign_id)
    return len(stale)


async def reprice_plan(
    connection: Connection, tenant_id: TenantId, campaign_id: CampaignId
) -> bool:
    """Price what is not sent yet at the template's category of now; False without a plan.

    Meta charges the category a template has when it is used. People, content and the hash that was
    approved stay as they were; `plan.cost` is replaced and says `repriced_at`.
    """
    found = await plans.get_repricing(connection, tenant_id, campaign_id)
    if found is None:
        return False
    unsent = await plans.count_unsent(
        connection, plans.plan_key(tenant_id, campaign_id, found.created_at)
    )
    quotes = [
        quote(
            (
                Portion(
                    market=part.market,
                    in_window=part.in_window,
                    in_free_entry=part.in_free_entry,
                    messages=part.people,
                )
                for part in unsent
                if part.category == category
            ),
            await read_prices(
                connection, currency=found.currency, category=category, on_day=found.local_date
            ),
        )
        # Variants have templates of their own, and Meta may move one of them alone.
        for category in sorted({part.category for part in unsent} or {found.category})
    ]
    cost = add_quotes(quotes)
    cost["repriced_at"] = utc_now().isoformat()
    await plans.set_plan_cost(connection, tenant_id, campaign_id, cost)
    return True
