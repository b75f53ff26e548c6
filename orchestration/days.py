"""The partitions of the data path: days of UTC by arrival, today's open one included."""

from datetime import date

import dagster as dg

#: end_offset 1: today can be materialized many times while it is open; each time it is replaced.
INGEST_DAYS = dg.DailyPartitionsDefinition(start_date="2026-01-01", timezone="UTC", end_offset=1)


def day_of(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> date:
    """The ingest day of a run."""
    key = context.run.tags.get("dagster/partition")
    if key is None:
        raise dg.Failure(description="this asset needs a day: choose a partition")
    return date.fromisoformat(key)
