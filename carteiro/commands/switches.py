"""`carteiro switch`: stop a tenant, a campaign, a number or everything, for a stated time."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from carteiro.commands.connections import operator_name, operator_transaction

if TYPE_CHECKING:
    from core.store.switches import Switch

app = typer.Typer(no_args_is_help=True, help="Stop things by hand, for a stated time.")
_WORDS = {
    "everything": "everything",
    "tenant": "tenant",
    "campaign": "campaign",
    "number": "number",
    "accept-only": "webhooks_accept_only",
    "read-only": "api_read_only",
}


@app.command("on")
def switch_on(
    what: Annotated[str, typer.Argument(help=" | ".join(_WORDS))],
    lasting: Annotated[str, typer.Option("--for", help="90s, 30m, 2h, 1d; 7 days at most.")],
    reason: Annotated[str, typer.Option(help="Why, without names of people: the tenant reads it.")],
    tenant: Annotated[str | None, typer.Option(help="Slug, for `tenant`.")] = None,
    campaign: Annotated[UUID | None, typer.Option(help="Id, for `campaign`.")] = None,
    number: Annotated[str | None, typer.Option(help="Meta's id, for `number`.")] = None,
) -> None:
    """Stop something. It ends by itself; who, why and until when are kept.

    everything, tenant, campaign, number: nothing more is claimed from now on; calls under way end.
    accept-only: Meta's webhooks are stored and answered, and applied when the switch ends.
    read-only: the API answers every change with 503 and Retry-After.

    Examples:

        carteiro switch on everything --for 30m --reason "Meta answers 500 to most calls"

        carteiro switch on tenant --tenant padaria --for 2h --reason "complaint 4711"

        carteiro switch on accept-only --for 15m --reason "restoring a replica"
    """
    from core.domain.ids import CampaignId, PhoneNumberId
    from core.domain.switches import SwitchScope, read_duration
    from core.store import switches

    if what not in _WORDS:
        raise typer.BadParameter(f"one of {', '.join(_WORDS)}", param_hint="what")
    _check_target(what, tenant=tenant, campaign=campaign, number=number)
    duration = read_duration(lasting)
    with operator_transaction("switch.on") as connection:
        target = switches.find_target(
            connection,
            SwitchScope(_WORDS[what]),
            slug=tenant,
            campaign_id=CampaignId(campaign) if campaign else None,
            phone_number_id=PhoneNumberId(number) if number else None,
        )
        switch_id = switches.set_switch(
            connection, target, lasting=duration, reason=reason, actor=operator_name()
        )
    ends_at = datetime.now(UTC) + duration
    typer.echo(f"switch {switch_id} is on until {_minute(ends_at)}")
    typer.echo(f"end it earlier: carteiro switch off {switch_id}")


@app.command("off")
def switch_off(
    switch_id: Annotated[UUID, typer.Argument(help="As `carteiro switch ls` shows it.")],
) -> None:
    """End a switch before its time."""
    from core.store import switches

    with operator_transaction("switch.off") as connection:
        lifted = switches.lift_switch(connection, switch_id, actor=operator_name())
    typer.echo(f"switch {switch_id}: {'off' if lifted else 'was not on'}")


@app.command("ls")
def list_switches(
    ended_too: Annotated[bool, typer.Option("--all", help="Also what has ended.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 100,
) -> None:
    """Show the switches that are on, the newest first."""
    from core.store import switches

    with operator_transaction("switch.ls") as connection:
        found = switches.list_switches(connection, include_ended=ended_too, limit=limit)
    for switch in found:
        typer.echo(_described(switch))
    if not found:
        typer.echo("no switches" if ended_too else "no switch is on")


def _check_target(what: str, **given: object) -> None:
    wanted = what if what in given else None
    for name, value in given.items():
        if (value is not None) != (name == wanted):
            verb = "needs" if name == wanted else "takes no"
            raise typer.BadParameter(f"`{what}` {verb} --{name}")


def _described(switch: "Switch") -> str:
    word = next(word for word, scope in _WORDS.items() if scope == switch.scope)
    target = " ".join(part for part in (switch.slug, switch.subject) if part)
    ended = f", ended by {switch.lifted_by} {_minute(switch.lifted_at)}" if switch.lifted_at else ""
    return (
        f"{switch.switch_id}  {word} {target}".rstrip()
        + f"\n    {switch.reason}\n    by {switch.set_by} {_minute(switch.set_at)}, "
        f"until {_minute(switch.expires_at)}{ended}"
    )


def _minute(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%MZ}"
