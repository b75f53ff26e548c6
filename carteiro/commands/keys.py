"""`carteiro keys`: the keys that sign access tokens."""

from typing import TYPE_CHECKING, Annotated

import typer

from carteiro.commands.connections import audited, operator_transaction

if TYPE_CHECKING:
    from core.store.signing_keys import KeyState

app = typer.Typer(no_args_is_help=True, help="List and rotate the keys that sign access tokens.")


@app.command("ls")
def list_keys() -> None:
    """Show every key: kid, state, since when, until when."""
    from core.store import signing_keys

    with operator_transaction("keys.ls") as connection:
        _print(signing_keys.list_keys(connection))


@app.command("rotate")
def rotate(
    early: Annotated[
        bool, typer.Option("--early", help="Also when the next key is younger than 24 hours.")
    ] = False,
    leaked: Annotated[
        bool, typer.Option("--leaked", help="Believe nothing the current key has signed.")
    ] = False,
) -> None:
    """Let the next key sign, and publish another. Nobody is signed out, no process restarts.

    The first time, the configured key is taken over and a next one is published; rotate again a
    day later. With --leaked every access token ends within five seconds; people's programs get the
    next one with their refresh token.

    Example:

        carteiro keys rotate
    """
    from core.clock import utc_now
    from core.store import signing_keys

    with operator_transaction("keys.rotate") as connection:
        keys = signing_keys.rotate(connection, now=utc_now(), early=early, leaked=leaked)
        current = next(key.kid for key in keys if key.state == "current")
        audited(connection, "signing_key", current, details={"early": early, "leaked": leaked})
    _print(keys)


def _print(keys: "list[KeyState]") -> None:
    if not keys:
        typer.echo("the configured key is the only one; `carteiro keys rotate` begins a set")
    for key in keys:
        since = key.current_since or key.created_at
        until = f" until {key.retires_at:%Y-%m-%dT%H:%M:%SZ}" if key.retires_at else ""
        typer.echo(f"{key.kid} {key.state} since {since:%Y-%m-%dT%H:%M:%SZ}{until}")
