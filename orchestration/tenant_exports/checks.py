"""Check: every export of the run is there and whole."""

import dagster as dg

from orchestration.tables import table
from orchestration.tenant_exports.assets import tenant_exports


@dg.asset_check(asset=tenant_exports)
def every_ready_export_is_whole_and_none_failed() -> dg.AssetCheckResult:
    """Each ready file has the size and the SHA-256 of its manifest; none of the day failed."""
    from core.settings import get_settings
    from orchestration.tenant_exports.verify import verify_exports

    problems = verify_exports(get_settings())
    return dg.AssetCheckResult(
        passed=not problems,
        metadata={"problems": table(("export", "problem"), problems)},
    )
