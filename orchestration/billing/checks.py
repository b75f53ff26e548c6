"""Checks on draft invoices."""

import dagster as dg

from orchestration.billing.assets import draft_invoices
from orchestration.tables import table


@dg.asset_check(asset=draft_invoices)
def no_invoice_is_parked() -> dg.AssetCheckResult:
    """Every guard passed for every tenant; a parked invoice waits for finance with its reasons."""
    from core.settings import get_settings
    from orchestration.billing.drafts import list_parked

    parked = list_parked(get_settings())
    return dg.AssetCheckResult(
        passed=not parked,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"parked": table(("tenant", "month", "total", "", "reasons"), parked)},
    )
