"""The daily job and when it runs."""

import dagster as dg

from orchestration.days import INGEST_DAYS

daily_usage = dg.define_asset_job(
    name="daily_usage",
    selection=dg.AssetSelection.all(),
    partitions_def=INGEST_DAYS,
    description="One ingest day from the live tables to published marts, drafts and exports.",
    tags={"dagster/max_runtime": "7200"},
)


@dg.schedule(job=daily_usage, cron_schedule="20 0 * * *", execution_timezone="UTC")
def daily_usage_at_00_20(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Each night at 00:20 UTC: the day that has just ended. What is late comes the night after."""
    from datetime import timedelta

    day = (context.scheduled_execution_time - timedelta(days=1)).date().isoformat()
    return dg.RunRequest(run_key=day, partition_key=day)
