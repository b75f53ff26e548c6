"""Asset: partitions ahead of the live tables."""

import dagster as dg

from orchestration.days import INGEST_DAYS


@dg.asset(partitions_def=INGEST_DAYS, group_name="partitions", kinds={"postgres"})
def live_partitions() -> dg.MaterializeResult[None]:
    """Weeks and days of the live tables exist ahead of time; rows never wait for one."""
    from core.settings import get_settings
    from orchestration.partitions.upkeep import create_ahead

    return dg.MaterializeResult(metadata={"created": create_ahead(get_settings())})
