"""What Dagster knows, without a server: it loads, and no asset vanishes unnoticed."""

import ast
import json
from pathlib import Path

import dagster as dg
import pytest

pytestmark = [
    pytest.mark.xdist_group("data"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.timeout(180),
]

SNAPSHOT = Path(__file__).with_name("asset_graph.json")


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    from orchestration.definitions import defs

    return defs


def _graph(definitions: dg.Definitions) -> dict[str, object]:
    graph = definitions.resolve_asset_graph()
    return {
        key.to_user_string(): {
            "group": graph.get(key).group_name,
            "deps": sorted(parent.to_user_string() for parent in graph.get(key).parent_keys),
        }
        for key in sorted(graph.get_all_asset_keys(), key=lambda key: key.to_user_string())
    }


def test_definitions_load_without_any_server(definitions: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(definitions)


def test_asset_graph_is_the_one_that_was_reviewed(definitions: dg.Definitions) -> None:
    """After a wanted change: delete asset_graph.json, run this test twice, review the diff."""
    graph = _graph(definitions)
    if not SNAPSHOT.exists():
        SNAPSHOT.write_text(json.dumps(graph, indent=1) + "\n", encoding="utf-8")
        pytest.fail("asset_graph.json was missing and has been written: review it")
    assert graph == json.loads(SNAPSHOT.read_text(encoding="utf-8"))


def test_nothing_is_published_before_the_two_counts_agree(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    blocking = {key.name for key in graph.asset_check_keys if graph.get(key).blocking}
    assert {
        "warehouse_and_lake_count_the_same_usage",
        "source_and_lake_hold_the_same_rows",
        "raw_batch_meets_its_suite",
        "published_marts_meet_their_suite",
    } <= blocking


def test_day_runs_in_one_process_at_twenty_past_midnight(definitions: dg.Definitions) -> None:
    schedule = definitions.resolve_schedule_def("daily_usage_at_00_20")
    assert schedule.cron_schedule == "20 0 * * *"
    job = definitions.resolve_job_def("daily_usage")
    assert job.executor_def is dg.in_process_executor


def test_daily_schedule_takes_the_day_that_has_ended(definitions: dg.Definitions) -> None:
    from datetime import UTC, datetime

    schedule = definitions.resolve_schedule_def("daily_usage_at_00_20")
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=datetime(2026, 11, 24, 0, 20, tzinfo=UTC),
            repository_def=definitions.get_repository_def(),
        )
        (request,) = schedule.evaluate_tick(context).run_requests or []
    assert request.partition_key == "2026-11-23"


def test_great_expectations_is_imported_by_one_module_only(project_folder: Path) -> None:
    importers = {
        path.relative_to(project_folder).as_posix()
        for room in ("orchestration", "exports", "core", "api", "sender", "carteiro")
        for path in (project_folder / room).rglob("*.py")
        if _imports(path, "great_expectations")
    }
    assert importers == {"orchestration/quality/suites.py"}


def test_no_module_of_assets_imports_the_heavy_libraries_at_the_top(project_folder: Path) -> None:
    heavy = ("pyarrow", "duckdb", "ibis", "polars", "pandas", "great_expectations")
    for path in (project_folder / "orchestration").rglob("*.py"):
        if path.name in {"assets.py", "checks.py", "definitions.py", "schedules.py"}:
            assert not [name for name in heavy if _imports(path, name)], path


def _imports(path: Path, package: str) -> bool:
    """Whether a module imports a package anywhere in its text."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import) and any(
            alias.name.split(".")[0] == package for alias in node.names
        ):
            return True
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == package:
            return True
    return False
