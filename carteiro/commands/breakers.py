"""`carteiro tenant unblock-account` and its kin, `carteiro alerts`: lift what stopped sending."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from carteiro.commands.connections import audited, operator_transaction
from carteiro.commands.tenant import app as tenant
from carteiro.commands.tenant import from_environment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.store.breakers import Alert, Lift, TemplateLift
    from core.store.tenants import Connection

alerts = typer.Typer(no_args_is_help=True, help="What a person must look at.")
_Waba = Annotated[str, typer.Option("--waba", help="Id of the WhatsApp Business Account.")]


@tenant.command("replace-token")
def replace_token(
    waba: _Waba,
    token_env: Annotated[
        str, typer.Option(help="Environment variable that holds the new access token.")
    ],
) -> None:
    """Store another access token for an account and lift its block. The next send uses it."""
    from core.domain.ids import WabaId
    from core.store import breakers

    token = from_environment(token_env, "--token-env")
    with operator_transaction("tenant.replace-token") as connection:
        lift = breakers.replace_token(connection, waba_id=WabaId(waba), token=token)
        audited(connection, "account", waba)
    typer.echo(f"account {waba}: stored the new token")
    _say(f"account {waba}", "block", lift)


@tenant.command("unblock-account")
def unblock_account(waba: _Waba) -> None:
    """Lift the block of an account, after its cause was removed at Meta."""
    from core.domain.ids import WabaId
    from core.store import breakers

    with operator_transaction("tenant.unblock-account") as connection:
        lift = breakers.unblock_account(connection, waba_id=WabaId(waba))
        audited(connection, "account", waba, details={"lifted": lift.reason})
    _say(f"account {waba}", "block", lift)


@tenant.command("resume-number")
def resume_number(
    number: Annotated[str, typer.Option("--number", help="Meta's id of the number.")],
) -> None:
    """End the pause of a number, after its cause was removed at Meta."""
    from core.domain.ids import PhoneNumberId
    from core.store import breakers

    with operator_transaction("tenant.resume-number") as connection:
        lift = breakers.resume_number(connection, phone_number_id=PhoneNumberId(number))
        audited(connection, "number", number, details={"lifted": lift.reason})
    _say(f"number {number}", "pause", lift)


@tenant.command("resume-template")
def resume_template(
    template: Annotated[UUID | None, typer.Option("--template", help="Our id of it.")] = None,
    name: Annotated[str | None, typer.Option(help="Its name; needs --slug.")] = None,
    slug: Annotated[str | None, typer.Option(help="The tenant of --name.")] = None,
    language: Annotated[
        str | None, typer.Option(help="With --name: this language only, e.g. pt_BR.")
    ] = None,
) -> None:
    """End the halt of a template, by its id or by a tenant's name for it.

    Examples:

        carteiro tenant resume-template --template 019a0000-0000-7000-8000-000000000001

        carteiro tenant resume-template --slug padaria --name order_update --language pt_BR
    """
    from core.domain.ids import TemplateId
    from core.store import breakers

    if template is not None and name is None and slug is None and language is None:
        with operator_transaction("tenant.resume-template") as connection:
            lifts = breakers.resume_template(connection, template_id=TemplateId(template))
            _write_down(connection, lifts)
    elif template is None and name is not None and slug is not None:
        with operator_transaction("tenant.resume-template") as connection:
            lifts = breakers.resume_templates_named(
                connection, slug=slug, name=name, language=language
            )
            _write_down(connection, lifts)
    else:
        raise typer.BadParameter("give --template, or --slug and --name")
    for one in lifts:
        _say(f"template {one.name} ({one.language})", "halt", one.lift)


@alerts.command("list")
def list_alerts(
    closed_too: Annotated[bool, typer.Option("--all", help="Also what is closed.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 100,
) -> None:
    """Show the open alerts of every tenant, the newest first."""
    from core.store import breakers

    with operator_transaction("alerts.list") as connection:
        found = breakers.list_alerts(connection, include_closed=closed_too, limit=limit + 1)
    for alert in found[:limit]:
        typer.echo(_described(alert))
    if not found:
        typer.echo("no alerts" if closed_too else "no open alerts")
    if len(found) > limit:
        typer.echo(f"there are more than these {limit}: --limit {limit * 10}")


@alerts.command("close")
def close_alert(
    alert_id: Annotated[UUID, typer.Argument(help="Its id, as `carteiro alerts list` shows it.")],
) -> None:
    """Close an alert that was dealt with; refused while what it tells of still stops sending."""
    from core.store import breakers

    with operator_transaction("alerts.close") as connection:
        closed = breakers.close_alert(connection, alert_id=alert_id)
        audited(connection, "alert", alert_id)
    typer.echo(f"alert {alert_id}: {'closed' if closed else 'was closed already'}")


def _write_down(connection: "Connection", lifts: "Sequence[TemplateLift]") -> None:
    for one in lifts:
        audited(connection, "template", one.template_id, details={"lifted": one.lift.reason})


def _say(what: str, stop: str, lift: "Lift") -> None:
    if lift.reason is None:
        typer.echo(f"{what}: no {stop} to lift")
    else:
        typer.echo(f"{what}: lifted the {stop} ({lift.reason})")
    if lift.alerts:
        typer.echo(f"{what}: closed {lift.alerts} open alert{'s' if lift.alerts > 1 else ''}")
    if lift.still is not None:
        typer.echo(f"{what}: but {lift.still}")


def _described(alert: "Alert") -> str:
    closed = f", closed {_minute(alert.closed_at)}" if alert.closed_at else ""
    return (
        f"{alert.alert_id}  {alert.slug}  {alert.kind}  {alert.subject}\n"
        f"    {alert.detail}\n"
        f"    seen {alert.occurrences}x, first {_minute(alert.opened_at)}, "
        f"last {_minute(alert.last_seen_at)}{closed}"
    )


def _minute(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%MZ}"
