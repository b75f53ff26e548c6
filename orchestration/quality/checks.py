"""Checks at the edges: all suites of an edge in one check, so that the library loads once a run."""

from collections.abc import Iterator

import dagster as dg

from orchestration.days import day_of
from orchestration.tables import table
from orchestration.warehouse.assets import published_marts, warehouse_events

_RAW = "raw_batch_meets_its_suite"
_PUBLISHED = "published_marts_meet_their_suite"


@dg.multi_asset_check(
    specs=[dg.AssetCheckSpec(_RAW, asset=warehouse_events, blocking=True)], name="raw_edge"
)
def raw_edge(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
    """What came in: keys there, codes known, times possible."""
    from core.settings import get_settings
    from orchestration.quality.suites import check_raw_batch

    results = check_raw_batch(get_settings(), day=day_of(context))
    yield dg.AssetCheckResult(
        asset_key=warehouse_events.key,
        check_name=_RAW,
        passed=all(result.passed for result in results),
        metadata={
            "expectations": table(("expectation", "held"), [(r.name, r.passed) for r in results])
        },
    )


@dg.multi_asset_check(
    specs=[dg.AssetCheckSpec(_PUBLISHED, asset=published_marts, blocking=True)],
    name="published_edge",
)
def published_edge() -> Iterator[dg.AssetCheckResult]:
    """What goes out: states known, totals not negative, one row a key."""
    from core.settings import get_settings
    from orchestration.quality.suites import check_published

    results = check_published(get_settings())
    yield dg.AssetCheckResult(
        asset_key=published_marts.key,
        check_name=_PUBLISHED,
        passed=all(result.passed for result in results),
        metadata={
            "expectations": table(("expectation", "held"), [(r.name, r.passed) for r in results])
        },
    )
