"""Asset: the lake's events of a day."""

import dagster as dg

from orchestration.days import INGEST_DAYS, day_of
from orchestration.tables import table


@dg.asset(partitions_def=INGEST_DAYS, group_name="lake", kinds={"parquet"})
def lake_message_events(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """Every event of the live path that arrived on a day, as Parquet, without personal data.

    Read below the snapshot's horizon, so that no late commit is lost; the three days before are
    counted again and replaced where they grew. The same rows give the same bytes.
    """
    from core.settings import get_settings
    from orchestration.lake.extract import extract_with_stragglers

    manifests = extract_with_stragglers(get_settings(), day=day_of(context), run_id=context.run_id)
    today = manifests[0]
    return dg.MaterializeResult(
        metadata={
            "rows": today.rows,
            "bytes": today.bytes,
            "checksum": today.sha256,
            "closed": today.closed,
            "horizon": today.horizon,
            "days": table(
                ("ingest day", "events", "bytes", "closed"),
                [(m.ingest_date, m.rows, m.bytes, m.closed) for m in manifests],
            ),
        }
    )
