"""Check: the two numbers are equal, or nothing is published."""

import dagster as dg

from orchestration.tables import table
from orchestration.usage.assets import lake_usage
from orchestration.warehouse.assets import MART_KEYS


@dg.asset_check(asset=MART_KEYS["usage_daily"], additional_deps=[lake_usage], blocking=True)
def warehouse_and_lake_count_the_same_usage() -> dg.AssetCheckResult:
    """Usage by dbt and by the rollup agree in every tenant, day, campaign, category, market."""
    from core.settings import get_settings
    from orchestration.usage.compare import compare_counts

    compared = compare_counts(get_settings())
    return dg.AssetCheckResult(
        passed=not compared.differences and compared.warehouse == compared.lake,
        metadata={
            "warehouse_delivered": compared.warehouse,
            "lake_delivered": compared.lake,
            "differences": table(
                (
                    "tenant",
                    "tenant day",
                    "account day",
                    "category",
                    "market",
                    "type",
                    "dbt",
                    "lake",
                ),
                compared.differences,
            ),
        },
    )
