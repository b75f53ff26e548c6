"""Asset: draft invoices."""

import dagster as dg

from orchestration.days import INGEST_DAYS
from orchestration.tables import table
from orchestration.warehouse.assets import published_marts


@dg.asset(
    partitions_def=INGEST_DAYS,
    group_name="billing",
    kinds={"postgres"},
    deps=[published_marts],
)
def draft_invoices(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """One draft a tenant and month from published lines; a suspicious one is parked, not issued.

    Written again from the same inputs it stays what it was; a final one is not touched.
    """
    from core.settings import get_settings
    from orchestration.billing.drafts import write_drafts

    written = write_drafts(get_settings(), run_id=context.run_id)
    return dg.MaterializeResult(
        metadata={
            "drafts": len(written),
            "parked": sum(bool(item.reasons) for item in written),
            "invoices": table(
                (
                    "tenant",
                    "month",
                    "net",
                    "tax",
                    "total",
                    "",
                    "delivered",
                    "parked for",
                    "this run",
                ),
                [
                    (
                        str(item.draft.tenant_id)[-12:],
                        f"{item.draft.period_start:%Y-%m}",
                        item.draft.net,
                        item.draft.tax,
                        item.draft.total,
                        item.draft.currency,
                        item.draft.delivered_count,
                        ", ".join(item.reasons),
                        item.outcome,
                    )
                    for item in written
                ],
            ),
        }
    )
