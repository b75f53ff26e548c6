"""`carteiro tenant set`: a tenant's rules for plans."""

import re
from typing import TYPE_CHECKING, Annotated, Final

import typer

from carteiro.commands import tenant
from carteiro.commands.connections import operator_name, operator_transaction

if TYPE_CHECKING:
    from core.store.tenant_rules import MarketingCap

app = tenant.app
_CAP: Final = re.compile(r"([1-9][0-9]{0,3})/([1-9][0-9]?)d", re.ASCII)
_MOST_DAYS: Final = 90
_COUNTRY: Final = re.compile(r"[A-Z]{2}", re.ASCII)


@app.command("set")
def set_rules(
    slug: Annotated[str, typer.Option("--slug", help="The tenant's short name.")],
    four_eyes: Annotated[
        str | None, typer.Option(help="on: who asked for a plan can't approve it; or off.")
    ] = None,
    marketing_cap: Annotated[
        str | None, typer.Option(help="Messages a person in days, e.g. 2/7d; or off.")
    ] = None,
    block_countries: Annotated[
        str | None, typer.Option(help="All it does not write to, e.g. US,CU; or none.")
    ] = None,
) -> None:
    """Change a tenant's rules. What is not named stays; an audit entry keeps who did it.

    Plans made from now on follow them; blocked countries also hold back what is queued.

    Example:

        carteiro tenant set --slug padaria --four-eyes on --marketing-cap 2/7d --block-countries US
    """
    from core.store import tenant_rules, tenants

    if four_eyes is None and marketing_cap is None and block_countries is None:
        raise typer.BadParameter("name at least one rule")
    if four_eyes not in {None, "on", "off"}:
        raise typer.BadParameter("on or off", param_hint="--four-eyes")
    cap = None if marketing_cap is None else _read_cap(marketing_cap)
    countries = None if block_countries is None else _read_countries(block_countries)
    with operator_transaction("tenant.set") as connection:
        rules = tenant_rules.set_rules(
            connection,
            tenant_id=tenants.find_tenant(connection, slug),
            actor=operator_name(),
            four_eyes=None if four_eyes is None else four_eyes == "on",
            cap=cap,
            blocked_countries=countries,
        )
    messages, days = rules.marketing_cap_messages, rules.marketing_cap_days
    typer.echo(f"{slug}: four eyes {'on' if rules.four_eyes else 'off'}")
    typer.echo(f"marketing cap {'off' if messages is None else f'{messages}/{days}d'}")
    typer.echo(f"blocked countries {', '.join(rules.blocked_countries) or 'none'}")


def _read_cap(text: str) -> "MarketingCap":
    from core.store.tenant_rules import MarketingCap

    if text == "off":
        return MarketingCap(messages=None, days=None)
    found = _CAP.fullmatch(text)
    if found is None or int(found[2]) > _MOST_DAYS:
        raise typer.BadParameter(
            f"like 2/7d, at most {_MOST_DAYS} days, or off", param_hint="--marketing-cap"
        )
    return MarketingCap(messages=int(found[1]), days=int(found[2]))


def _read_countries(text: str) -> list[str]:
    if text == "none":
        return []
    countries = sorted(set(text.split(",")))
    if not all(_COUNTRY.fullmatch(country) for country in countries):
        raise typer.BadParameter("ISO codes like US,CU, or none", param_hint="--block-countries")
    return countries
