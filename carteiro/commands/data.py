"""`carteiro data`: the data path from the command line."""

from datetime import UTC, date, datetime
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Usage, invoices and exports from events.")


@app.command("run")
def run(
    day: Annotated[
        str | None, typer.Option("--date", help="Ingest day, UTC, like 2026-11-23; default today.")
    ] = None,
) -> None:
    """Run the daily job for one day in this process; today can be run again and again."""
    from orchestration import run_day

    wanted = date.fromisoformat(day) if day else datetime.now(UTC).date()
    raise typer.Exit(0 if run_day.main(wanted) else 1)


@app.command("files")
def files() -> None:
    """Print the lake's Parquet files that its manifests name, for DuckDB or Spark."""
    from core.settings import get_settings
    from orchestration.usage.rollup import lake_files

    for path in lake_files(get_settings()):
        typer.echo(path)


@app.command("drafts")
def drafts() -> None:
    """Print every invoice that is not final, with its sums and why it is parked."""
    import psycopg

    from core.dsn import DatabaseRole
    from core.settings import get_settings
    from core.store.queries import load

    with psycopg.connect(get_settings().dsn(DatabaseRole.DATA)) as connection:
        for row in connection.execute(load("invoice_drafts").list_drafts):
            slug, start, currency, net, tax, total, status, reasons = row
            why = f"  parked: {', '.join(reasons)}" if status == "parked" else ""
            typer.echo(
                f"{slug:24} {start:%Y-%m}  net {net:.2f}  tax {tax:.2f}  "
                f"total {total:.2f} {currency}{why}"
            )
