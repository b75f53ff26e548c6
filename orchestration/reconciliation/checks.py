"""Checks: Meta answered, and its count is ours. They warn: a break is worked on, not waited for."""

import dagster as dg

from orchestration.reconciliation.assets import meta_pricing_analytics, reconciliation
from orchestration.tables import table


@dg.asset_check(asset=reconciliation)
def our_count_is_metas_count() -> dg.AssetCheckResult:
    """No line of the reconciliation has an owner, that is, no break waits for anybody."""
    from core.settings import get_settings
    from orchestration.reconciliation.summary import HEADERS, summarise

    lines = [line for line in summarise(get_settings()) if line.is_break]
    return dg.AssetCheckResult(
        passed=not lines,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"breaks": table(HEADERS, [line.cells() for line in lines])},
    )


@dg.asset_check(asset=meta_pricing_analytics)
def every_account_was_answered() -> dg.AssetCheckResult:
    """Meta answered for each account at the last question."""
    from core.settings import get_settings
    from orchestration.reconciliation.analytics import unanswered

    silent = unanswered(get_settings())
    return dg.AssetCheckResult(
        passed=not silent,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"unanswered": table(("account", "outcome"), silent)},
    )
