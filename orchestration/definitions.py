"""Everything Dagster knows: this file merges, nothing else."""

import dagster as dg

from orchestration import schedules
from orchestration.billing import assets as billing_assets
from orchestration.billing import checks as billing_checks
from orchestration.lake import assets as lake_assets
from orchestration.lake import checks as lake_checks
from orchestration.partitions import assets as partitions_assets
from orchestration.partitions import checks as partitions_checks
from orchestration.quality import checks as quality_checks
from orchestration.reconciliation import assets as reconciliation_assets
from orchestration.reconciliation import checks as reconciliation_checks
from orchestration.tenant_exports import assets as tenant_exports_assets
from orchestration.tenant_exports import checks as tenant_exports_checks
from orchestration.usage import assets as usage_assets
from orchestration.usage import checks as usage_checks
from orchestration.warehouse import assets as warehouse_assets

_ASSETS = (
    lake_assets,
    warehouse_assets,
    usage_assets,
    reconciliation_assets,
    billing_assets,
    tenant_exports_assets,
    partitions_assets,
)
_CHECKS = (
    lake_checks,
    usage_checks,
    reconciliation_checks,
    billing_checks,
    tenant_exports_checks,
    partitions_checks,
    quality_checks,
)

defs = dg.Definitions(
    assets=dg.load_assets_from_modules(_ASSETS),
    asset_checks=dg.load_asset_checks_from_modules(_CHECKS),
    jobs=[schedules.daily_usage],
    schedules=[schedules.daily_usage_at_00_20],
    # A process a step costs eight seconds of imports each; one process a run costs them once.
    executor=dg.in_process_executor,
)
