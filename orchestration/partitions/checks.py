"""Check: nothing fell into a DEFAULT partition."""

import dagster as dg

from orchestration.partitions.assets import live_partitions
from orchestration.tables import table


@dg.asset_check(asset=live_partitions)
def default_partitions_are_empty() -> dg.AssetCheckResult:
    """A row in a DEFAULT partition means that a partition was missing when it came."""
    from core.settings import get_settings
    from orchestration.partitions.upkeep import count_strays

    strays = count_strays(get_settings())
    return dg.AssetCheckResult(
        passed=not any(strays.values()),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"strays": table(("table", "rows"), strays.items())},
    )
