"""`carteiro plans` and `carteiro rates`: what tenants pay, and what Meta charges."""

from pathlib import Path
from typing import Annotated

import typer

from carteiro.commands.connections import operator_transaction

plans = typer.Typer(no_args_is_help=True, help="What tenants pay.")
rates = typer.Typer(no_args_is_help=True, help="What Meta charges.")


@plans.callback()
def _plans() -> None:
    """Keeps `seed` a word of its own while it is the only one."""


@plans.command("seed")
def seed() -> None:
    """Store the example plans that are missing; a version that exists is never changed."""
    from core.store import price_plans

    with operator_transaction("plans.seed") as connection:
        codes = price_plans.seed_examples(connection)
    typer.echo("\n".join(f"stored plan {code}" for code in codes) or "all example plans are stored")


@rates.callback()
def _rates() -> None:
    """Keeps `import` a word of its own while it is the only one."""


@rates.command("import")
def import_rates(
    rate_file: Annotated[
        Path | None,
        typer.Argument(
            exists=True, dir_okay=False, help="CSV of rates; default: the shipped ones."
        ),
    ] = None,
) -> None:
    """Store Meta's dated rates; without a file also the shipped market map and charging rules."""
    from core.store import rate_cards

    with operator_transaction("rates.import") as connection:
        if rate_file is None:
            files = rate_cards.import_shipped(connection)
        else:
            files = [rate_cards.import_rates(connection, rate_file)]
    for file in files:
        known = " (this file was known)" if file.known else ""
        typer.echo(f"{file.name}: {file.rows_read} rows read, {file.rows_added} new{known}")
