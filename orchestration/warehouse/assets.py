"""Assets: the warehouse's raw layer, the dbt models, what is published."""

from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from typing import Any

import dagster as dg
from dagster_dbt import (
    DagsterDbtTranslator,
    DagsterDbtTranslatorSettings,
    DbtCliResource,
    dbt_assets,
)
from packaging.version import Version

from orchestration.days import INGEST_DAYS, day_of
from orchestration.lake.assets import lake_message_events
from orchestration.tables import table
from orchestration.warehouse.dbt_runs import DBT_EXECUTABLE, DBT_PROJECT, ensure_manifest


@dg.asset(
    partitions_def=INGEST_DAYS,
    group_name="warehouse",
    kinds={"postgres"},
    deps=[lake_message_events],
)
def warehouse_events(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """The lake's days in the warehouse: each changed day is swapped in one transaction."""
    from core.settings import get_settings
    from core.store.warehouse import prepare_warehouse
    from orchestration.warehouse.load import load_changed_days

    prepare_warehouse(get_settings())
    days = load_changed_days(get_settings(), run_id=context.run_id)
    return dg.MaterializeResult(
        metadata={
            "rows": sum(day.rows for day in days),
            "days": table(
                ("ingest day", "events", "checksum"),
                [(day.ingest_date, day.rows, day.sha256[:16]) for day in days],
            ),
        }
    )


@dg.asset(partitions_def=INGEST_DAYS, group_name="warehouse", kinds={"postgres"})
def warehouse_dimensions() -> dg.MaterializeResult[None]:
    """Tenants, accounts, campaigns, plans, prices, rates and policies as of one instant."""
    from core.settings import get_settings
    from core.store.warehouse import prepare_warehouse
    from orchestration.warehouse.load import load_dimensions

    prepare_warehouse(get_settings())
    counts = load_dimensions(get_settings())
    return dg.MaterializeResult(metadata={"tables": table(("table", "rows"), counts.items())})


class _Translator(DagsterDbtTranslator):
    """Every model in group `warehouse` under its layer's name; sources are our loading assets."""

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:  # noqa: ARG002
        return "warehouse"


class _Dbt(DbtCliResource):
    """dbt without what we don't use: it costs eight seconds a run (measured 2026-11-23).

    Dagster would start `dbt --version`, which also asks PyPI, and load an adapter into this process
    for column lineage and row counts; our models carry their columns as contracts.
    """

    @property
    def _cli_version(self) -> Version:
        return Version(metadata.version("dbt-core"))

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> Any:  # noqa: ARG002
        return None


_TRANSLATOR = _Translator(
    DagsterDbtTranslatorSettings(
        enable_asset_checks=True,
        enable_duplicate_source_asset_keys=True,
    )
)


@dbt_assets(
    manifest=ensure_manifest(),
    dagster_dbt_translator=_TRANSLATOR,
    partitions_def=INGEST_DAYS,
    backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=1),
    name="dbt_models",
)
def dbt_models(context: dg.AssetExecutionContext) -> Iterator[Any]:
    """Staging, intermediate and marts (unpublished); a failing test stops everything after it."""
    from datetime import UTC, datetime

    from core.settings import get_settings
    from orchestration.warehouse.dbt_runs import (
        dbt_environment,
        run_options,
        tidy_target,
        variables,
    )

    dbt = _Dbt(
        project_dir=str(DBT_PROJECT),
        profiles_dir=str(DBT_PROJECT),
        dbt_executable=str(DBT_EXECUTABLE),
    )
    environment = dbt_environment(get_settings()) | run_options(as_of=datetime.now(UTC))
    with variables(environment):
        build = dbt.cli(["build"], context=context)
        yield from build.stream()
    tidy_target(build.target_path)


MART_KEYS = {
    name: dg.AssetKey(["marts_wip", name])
    for name in (
        "usage_daily",
        "campaign_results",
        "meta_costs",
        "message_accounting",
        "rated_lines",
        "invoice_drafts",
        "invoice_draft_lines",
        "meta_reconciliation",
        "export_messages",
        "export_usage",
    )
}


@dg.asset(
    partitions_def=INGEST_DAYS,
    group_name="warehouse",
    kinds={"postgres"},
    deps=list(MART_KEYS.values()),
)
def published_marts(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """What everybody reads: the marts the checks have passed, swapped in one transaction."""
    from core.settings import get_settings
    from orchestration.warehouse.publish import publish_marts

    relations = publish_marts(get_settings(), run_id=f"{context.run_id}/{day_of(context)}")
    return dg.MaterializeResult(
        metadata={
            "relations": len(relations),
            "published": table(("relation",), [(name,) for name in relations]),
        }
    )
