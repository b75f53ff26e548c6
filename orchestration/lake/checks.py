"""Checks: the lake holds what the source holds."""

import dagster as dg

from orchestration.days import day_of
from orchestration.lake.assets import lake_message_events
from orchestration.tables import table


@dg.asset_check(asset=lake_message_events, blocking=True)
def source_and_lake_hold_the_same_rows(
    context: dg.AssetCheckExecutionContext,
) -> dg.AssetCheckResult:
    """The day and the three before it are counted again at the source.

    The open day may have grown since it was read: it must hold no more than the source, a finished
    day exactly as much.
    """
    from datetime import UTC, datetime

    from core.settings import get_settings
    from orchestration.lake.extract import compare_with_source

    counts = compare_with_source(get_settings(), day=day_of(context))
    today = datetime.now(UTC).date()
    bad = [
        count
        for count in counts
        if (count.lake_rows or 0) > count.source_rows
        or (count.ingest_date < today and not count.agrees)
    ]
    return dg.AssetCheckResult(
        passed=not bad,
        metadata={
            "days": table(
                ("ingest day", "source", "lake"),
                [(c.ingest_date, c.source_rows, c.lake_rows) for c in counts],
            )
        },
    )


@dg.asset_check(asset=lake_message_events)
def lake_knows_every_word(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """No event carries a category or pricing type that has no number yet; such cost is unknown."""
    from core.settings import get_settings
    from orchestration.lake.inspect import count_unlisted

    counts = count_unlisted(get_settings(), day=day_of(context))
    return dg.AssetCheckResult(
        passed=not any(counts.values()),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"unlisted": table(("column", "events"), counts.items())},
    )
