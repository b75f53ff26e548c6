"""`carteiro deprecations`: what of the API ends, and whom its end would hit."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from carteiro.commands.connections import operator_transaction

app = typer.Typer(no_args_is_help=True, help="Operations of the API that end, and who uses them.")


@app.command("ls")
def list_deprecations() -> None:
    """Show what ends, the next one first: docs/versioning.md."""
    from api.deprecations import deprecations

    now = datetime.now(UTC)
    table = sorted(deprecations().items(), key=lambda item: item[1].sunset_at)
    for name, known in table:
        typer.echo(
            f"{name}  {known.phase(now)}, ends {known.sunset_at.astimezone(UTC):%Y-%m-%d %H:%MZ}"
            f"\n    {known.reason}"
        )
    if not table:
        typer.echo("nothing of the API ends")


@app.command("users")
def list_users(
    operation: Annotated[
        str | None, typer.Option(help="Only of this operation, as `ls` names it.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=400, help="Of the last so many days.")] = 30,
) -> None:
    """Show which tenants used what ends, and when last: to be asked before a sunset.

    Examples:

        carteiro deprecations users --days 90

        carteiro deprecations users --operation import_contacts
    """
    from core.store.deprecations import list_users as read

    since = datetime.now(UTC).date() - timedelta(days=days - 1)
    with operator_transaction("deprecations.users") as connection:
        found = read(connection, since, operation)
    for use in found:
        typer.echo(f"{use.operation}  {use.slug}  {use.uses} uses, last on {use.last_day}")
    if not found:
        typer.echo(f"nobody, since {since}")
