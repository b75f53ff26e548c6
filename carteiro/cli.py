"""The command line. Heavy imports live inside the commands: `carteiro --help` takes 0.2 s."""

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from carteiro.commands import (
    audit,
    breakers,
    contract,
    data,
    deprecations,
    dlq,
    errors,
    explain,
    keys,
    prices,
    switches,
    tenant_rules,
)

_STACK = "One machine"
_PARTS = "Single parts"
_DATA = "Database and tenants"
_META = "Meta's side"
#: Typed beside a running `carteiro up`, these work on its database and servers.
_WORK_ON_THE_RUNNING_STACK = frozenset(
    {
        "alerts",
        "api",
        "audit",
        "db",
        "deprecations",
        "dlq",
        "doctor",
        "keys",
        "plans",
        "rates",
        "sender",
        "switch",
        "tenant",
    }
)

app = typer.Typer(
    name="carteiro",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
    help="Send WhatsApp campaigns for many tenants and turn what happened into usage and invoices.",
    epilog=(
        "Start with [bold]carteiro up[/bold]; everything it keeps is in .carteiro/ (or "
        "CARTEIRO_HOME). Settings are CARTEIRO_* variables: docs/configuration.md."
    ),
)
# A module of carteiro.commands is loaded for every --help: it imports its rooms inside functions.
app.add_typer(tenant_rules.app, name="tenant", rich_help_panel=_DATA)
app.add_typer(breakers.alerts, name="alerts", rich_help_panel=_DATA)
app.add_typer(keys.app, name="keys", rich_help_panel=_DATA)
app.add_typer(dlq.app, name="dlq", rich_help_panel=_DATA)
app.add_typer(audit.app, name="audit", rich_help_panel=_DATA)
app.add_typer(switches.app, name="switch", rich_help_panel=_DATA)
app.add_typer(deprecations.app, name="deprecations", rich_help_panel=_DATA)
app.add_typer(data.app, name="data", rich_help_panel=_DATA)
app.add_typer(prices.plans, name="plans", rich_help_panel=_DATA)
app.add_typer(prices.rates, name="rates", rich_help_panel=_DATA)
app.add_typer(explain.webhook, name="webhook", rich_help_panel=_META)
app.command(rich_help_panel=_PARTS)(contract.openapi)
app.add_typer(errors.send, name="send", rich_help_panel=_META)
db_app = typer.Typer(no_args_is_help=True, help="Create, migrate and inspect the databases.")
app.add_typer(db_app, name="db", rich_help_panel=_DATA)

WorkersOption = Annotated[int, typer.Option(min=1, max=64, help="Sender workers to run.")]
DagsterOption = Annotated[
    bool, typer.Option("--dagster/--no-dagster", help="Run Dagster: code, daemon, web server.")
]


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"carteiro {version('carteiro')}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Say the version."),
    ] = False,
) -> None:
    """Options before the command."""
    if context.invoked_subcommand in _WORK_ON_THE_RUNNING_STACK:
        from carteiro.home import Home

        for name, value in Home.from_environment().running_environment().items():
            os.environ.setdefault(name, value)


@app.command(rich_help_panel=_STACK)
def up(
    workers: WorkersOption = 2,
    dagster: DagsterOption = True,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when all is ready; end with `down`.")
    ] = False,
) -> None:
    """Run the whole product here until Ctrl-C.

    Starts what the environment does not name: PostgreSQL (CARTEIRO_DATABASE_URL), Valkey
    (CARTEIRO_BROKER_URL, CARTEIRO_REDIS_URL), the sandbox (CARTEIRO_META_BASE_URL); then
    migrates and starts the API, the sender and Dagster. What dies is restarted. Data survive.

    Examples:

        carteiro up

        carteiro up --no-dagster --workers 4

        CARTEIRO_BROKER_URL=amqp://guest:guest@127.0.0.1// carteiro up -d
    """
    from carteiro.home import Home
    from carteiro.session import run_in_foreground
    from carteiro.stack import start_detached

    home = Home.from_environment()
    if not detach:
        raise typer.Exit(run_in_foreground(home, workers=workers, dagster=dagster))
    arguments = ("--workers", str(workers), "--dagster" if dagster else "--no-dagster")
    start_detached(home, arguments=arguments)
    typer.echo((home.path / "ready").read_text().rstrip())


@app.command(rich_help_panel=_STACK)
def down(
    purge: Annotated[
        bool, typer.Option("--purge", help="Also delete the databases, lake, exports and logs.")
    ] = False,
) -> None:
    """End the stack that runs on this folder, also what a killed one left behind."""
    from carteiro import stack
    from carteiro.home import Home

    home = Home.from_environment()
    typer.echo("stopped" if stack.stop_running(home) else "nothing was running")
    if purge:
        stack.purge(home)
        typer.echo(f"deleted {home.path}")


@app.command(rich_help_panel=_STACK)
def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave everything running and print the addresses.")
    ] = False,
) -> None:
    """Tell the whole story: three tenants, a campaign each, a killed worker, invoices, exports."""
    raise typer.Exit(import_module("carteiro.demo").run(keep=keep))


@app.command(rich_help_panel=_STACK)
def doctor() -> None:
    """Say what is missing or misconfigured and how to mend it; exit 1 when something is broken."""
    from carteiro.doctor import examine, print_report

    findings = examine(os.environ)
    print_report(findings)
    raise typer.Exit(1 if any(finding.is_broken for finding in findings) else 0)


@app.command(rich_help_panel=_PARTS)
def sandbox(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.")] = 8010,
    callback: Annotated[
        str | None, typer.Option(help="Where to post signed status webhooks.")
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="First line: one JSON object that says how to reach it.")
    ] = False,
    config: Annotated[
        Path | None, typer.Option(help="World and faults to simulate.", exists=True)
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed, same faults.")] = None,
    journal: Annotated[
        Path | None, typer.Option(help="File that survives a kill of the sandbox.")
    ] = None,
    bare: Annotated[
        bool, typer.Option("--bare", help="Answer every send at once; no books, no webhooks.")
    ] = False,
) -> None:
    """Serve a faithful local Cloud API.

    Examples:

        carteiro sandbox --json

        carteiro sandbox --port 8010 --callback http://127.0.0.1:9000/hook
    """
    import_module("sandbox.main").serve(
        port=port,
        callback=callback,
        json_output=json,
        config_path=config,
        seed=seed,
        journal=journal,
        bare=bare,
    )


@app.command(rich_help_panel=_PARTS)
def api() -> None:
    """Serve the API and Meta's webhooks on CARTEIRO_API_HOST:CARTEIRO_API_PORT."""
    import_module("api.server").main()


@app.command(rich_help_panel=_PARTS)
def sender(
    part: Annotated[
        str,
        typer.Argument(help="planner, pacer, worker, applier, settler, notifier, or all of them."),
    ] = "all",
    workers: WorkersOption = 2,
) -> None:
    """Run one part of the sender until SIGTERM, or all of them under a supervisor.

    Examples:

        carteiro sender worker

        carteiro sender all --workers 4
    """
    from core.settings import get_settings
    from sender.__main__ import PARTS, load_part

    if part not in {*PARTS, "all"}:
        raise typer.BadParameter(f"there is no part {part!r}", param_hint="PART")
    if part == "all":
        from carteiro.home import Home
        from carteiro.session import run_sender

        raise typer.Exit(run_sender(Home.from_environment(), workers=workers))
    load_part(part)(get_settings())


@db_app.command("bootstrap")
def db_bootstrap() -> None:
    """Create the databases and roles that are missing; needs rights to create both."""
    from core.settings import get_settings
    from core.store import migrate

    for created in migrate.bootstrap(get_settings()):
        typer.echo(f"created {created}")


@db_app.command("migrate")
def db_migrate(
    bootstrap: Annotated[
        bool, typer.Option("--bootstrap", help="First create what is missing.")
    ] = False,
) -> None:
    """Apply every missing migration and create partitions ahead. Safe to run again."""
    from core.settings import get_settings
    from core.store import migrate

    if bootstrap:
        db_bootstrap()
    typer.echo(f"schema is at revision {migrate.upgrade(get_settings())}")


@db_app.command("status")
def db_status() -> None:
    """Show the revision of the database and the one this release needs; exit 1 when they differ."""
    from core.settings import get_settings
    from core.store import migrate

    found, needed = migrate.revisions(get_settings())
    typer.echo(f"database: {found or 'empty'}, this release: {needed}")
    raise typer.Exit(0 if found == needed else 1)


def main() -> None:
    """The entry point: errors of ours are one line on stderr, not a traceback."""
    from core.errors import CarteiroError

    try:
        app()
    except CarteiroError as error:
        sys.stderr.write(f"carteiro: {error}\n")
        raise SystemExit(1) from error
