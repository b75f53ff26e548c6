"""Asset: files for tenants."""

import dagster as dg

from orchestration.billing.assets import draft_invoices
from orchestration.days import INGEST_DAYS, day_of
from orchestration.tables import table
from orchestration.warehouse.assets import published_marts


@dg.asset(
    partitions_def=INGEST_DAYS,
    group_name="tenant_exports",
    kinds={"parquet"},
    deps=[published_marts, draft_invoices],
)
def tenant_exports(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Every queued export and each tenant's month of messages, with manifest and checksum.

    One that fails is marked and stops no other; the check beside it then fails the run's colour.
    """
    from core.settings import get_settings
    from orchestration.tenant_exports.run import run_exports

    results = run_exports(get_settings(), day=day_of(context))
    return dg.MaterializeResult(
        metadata={
            "exports": len(results),
            "failed": sum(result.failure is not None for result in results),
            "files": table(
                ("tenant", "dataset", "format", "rows", "bytes", "sha256", "failure"),
                [
                    (
                        str(result.tenant_id)[-12:],
                        result.dataset,
                        result.manifest.format if result.manifest else "",
                        result.manifest.rows if result.manifest else None,
                        result.manifest.bytes if result.manifest else None,
                        result.manifest.sha256[:16] if result.manifest else "",
                        result.failure,
                    )
                    for result in results
                ],
            ),
        }
    )
