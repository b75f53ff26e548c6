"""The suites, as Python; the only module that imports Great Expectations (seven seconds)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import great_expectations as gx
import great_expectations.expectations as expectations_of_gx

from core.dsn import for_sqlalchemy
from core.settings import Settings
from core.store.warehouse import warehouse_dsn
from orchestration.lake import codes

# The package exports its expectations without saying so to type checkers.
gxe: Any = expectations_of_gx


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """One expectation and whether it held."""

    name: str
    passed: bool


def check_raw_batch(settings: Settings, *, day: date) -> list[Expectation]:
    """The raw edge: a day's events as they arrived in the warehouse."""
    known = sorted(codes.code_lists()["event_type"].values())
    query = f"select * from raw.message_events where ingest_date = date '{day.isoformat()}'"  # noqa: S608 - a date of ours
    return _validate(
        settings,
        query,
        [
            gxe.ExpectColumnValuesToNotBeNull(column="tenant_id"),
            gxe.ExpectColumnValuesToNotBeNull(column="message_id"),
            gxe.ExpectColumnValuesToNotBeNull(column="occurred_at"),
            gxe.ExpectColumnValuesToBeUnique(column="event_id"),
            gxe.ExpectColumnValuesToBeInSet(column="event_type_code", value_set=known),
            gxe.ExpectColumnValuesToBeInSet(
                column="category_code", value_set=sorted(codes.code_lists()["category"].values())
            ),
            gxe.ExpectColumnValuesToBeBetween(column="attempt_no", min_value=0, max_value=1000),
            gxe.ExpectColumnPairValuesAToBeGreaterThanB(
                column_A="ingested_at", column_B="occurred_at", or_equal=True, mostly=0.99
            ),
        ],
    )


def check_published(settings: Settings) -> list[Expectation]:
    """The outer edge: the published numbers tenants and finance read."""
    states = ["billed", "free", "held", "unknown"]
    return [
        *_validate(
            settings,
            "select * from marts.usage_daily",
            [
                gxe.ExpectColumnValuesToBeBetween(column="delivered_count", min_value=1),
                gxe.ExpectColumnPairValuesAToBeGreaterThanB(
                    column_A="delivered_count", column_B="read_count", or_equal=True
                ),
            ],
        ),
        *_validate(
            settings,
            "select * from marts.message_accounting",
            [
                gxe.ExpectColumnValuesToBeInSet(column="billing_state", value_set=states),
                gxe.ExpectColumnValuesToBeBetween(column="messages_count", min_value=1),
            ],
        ),
        *_validate(
            settings,
            "select * from marts.invoice_drafts",
            [
                gxe.ExpectColumnValuesToBeBetween(column="total", min_value=0),
                gxe.ExpectCompoundColumnsToBeUnique(column_list=["tenant_id", "period_start"]),
                gxe.ExpectColumnValuesToMatchRegex(column="currency", regex="^[A-Z]{3}$"),
            ],
        ),
        *_validate(
            settings,
            "select * from marts.export_messages",
            [
                gxe.ExpectCompoundColumnsToBeUnique(column_list=["tenant_id", "message_id"]),
                gxe.ExpectColumnValuesToNotBeNull(column="state"),
            ],
        ),
    ]


def _validate(settings: Settings, query: str, expectations: Sequence[Any]) -> list[Expectation]:
    """Run a suite in the database; no row value leaves it."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}  # type: ignore[assignment]
    address = for_sqlalchemy(warehouse_dsn(settings), driver="psycopg2")
    source = context.data_sources.add_sql("warehouse", connection_string=address)
    batch = source.add_query_asset("edge", query=query).add_batch_definition_whole_table("all")
    suite = gx.ExpectationSuite(name="edge", expectations=list(expectations))
    outcome = batch.get_batch().validate(suite, result_format="BOOLEAN_ONLY")
    relation = query.split(" from ")[1].split(" ", maxsplit=1)[0]
    return [
        Expectation(name=f"{relation}: {_describe(result)}", passed=bool(result.success))
        for result in outcome.results
    ]


def _describe(result: Any) -> str:
    """What was expected of which columns."""
    arguments = result.expectation_config.kwargs
    named = [arguments.get(key) for key in ("column", "column_A", "column_B", "column_list")]
    columns = ", ".join(str(name) for name in named if name)
    return f"{result.expectation_config.type} {columns}"
