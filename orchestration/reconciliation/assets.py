"""Assets: Meta's count, and the comparison with ours."""

import dagster as dg

from orchestration.days import INGEST_DAYS
from orchestration.tables import table
from orchestration.warehouse.assets import published_marts, warehouse_dimensions


@dg.asset(
    partitions_def=INGEST_DAYS,
    group_name="reconciliation",
    kinds={"whatsapp"},
    deps=[warehouse_dimensions],
)
def meta_pricing_analytics() -> dg.MaterializeResult[None]:
    """What Meta counted for every account over the last five weeks, asked with its own token."""
    from datetime import UTC, datetime

    from core.settings import get_settings
    from orchestration.reconciliation.analytics import pull_pricing_analytics

    fetches = pull_pricing_analytics(get_settings(), as_of=datetime.now(UTC))
    return dg.MaterializeResult(
        metadata={
            "accounts": len(fetches),
            "not_fetched": sum(fetch.outcome != "fetched" for fetch in fetches),
            "answers": table(
                ("account", "outcome", "from", "to", "points", "messages"),
                [
                    (
                        fetch.account.waba_id,
                        fetch.outcome,
                        fetch.first_date,
                        fetch.last_date,
                        len(fetch.points),
                        sum(point.volume for point in fetch.points),
                    )
                    for fetch in fetches
                ],
            ),
        }
    )


@dg.asset(
    partitions_def=INGEST_DAYS,
    group_name="reconciliation",
    kinds={"postgres"},
    deps=[published_marts],
)
def reconciliation() -> dg.MaterializeResult[None]:
    """Our messages and costs beside Meta's: breaks by type, who looks at them, money at stake."""
    from core.settings import get_settings
    from orchestration.reconciliation.summary import HEADERS, summarise

    lines = summarise(get_settings())
    return dg.MaterializeResult(
        metadata={
            "our_messages": sum(line.our_volume for line in lines),
            "meta_messages": sum(line.meta_volume for line in lines),
            "broken_lines": sum(line.lines for line in lines if line.is_break),
            "breaks": table(HEADERS, [line.cells() for line in lines]),
        }
    )
