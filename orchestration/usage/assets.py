"""Asset: usage counted from the lake, without the warehouse."""

import dagster as dg

from orchestration.days import INGEST_DAYS
from orchestration.lake.assets import lake_message_events
from orchestration.tables import table
from orchestration.warehouse.assets import warehouse_dimensions


@dg.asset(
    partitions_def=INGEST_DAYS,
    group_name="usage",
    kinds={"duckdb"},
    deps=[lake_message_events, warehouse_dimensions],
)
def lake_usage() -> dg.MaterializeResult[None]:
    """The second number: one Ibis expression over the lake's files, in DuckDB."""
    from core.settings import get_settings
    from orchestration.usage.rollup import roll_up_lake, store_lake_usage

    rows = roll_up_lake(get_settings())
    messages = store_lake_usage(get_settings(), rows)
    by_day: dict[tuple[object, object], int] = {}
    for row in rows:
        by_day[row[4], row[6]] = by_day.get((row[4], row[6]), 0) + int(str(row[-2]))
    return dg.MaterializeResult(
        metadata={
            "rows": len(rows),
            "delivered_messages": messages,
            "usage": table(
                ("tenant day", "category", "delivered"),
                [(*key, count) for key, count in sorted(by_day.items(), key=str)],
            ),
        }
    )
