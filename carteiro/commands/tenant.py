"""`carteiro tenant`: what an operator does for tenants."""

import os
from typing import Annotated

import typer

from carteiro.commands.connections import audited, operator_transaction

app = typer.Typer(
    no_args_is_help=True, help="Create tenants, connect their WhatsApp accounts, give access."
)
_Slug = Annotated[str, typer.Option("--slug", help="The tenant's short name in addresses.")]
_Currency = Annotated[str, typer.Option(help="ISO 4217 code, e.g. BRL.")]


@app.command("create")
def create(
    slug: _Slug,
    name: Annotated[str, typer.Option(help="The tenant's full name.")],
    timezone: Annotated[str, typer.Option(help="IANA zone whose days are billed.")],
    currency: _Currency,
    region: Annotated[str, typer.Option(help="ISO country of numbers without calling code.")],
    plan: Annotated[str, typer.Option(help="Code of the plan it pays.")],
    locale: Annotated[str, typer.Option(help="Language of what it reads, e.g. pt-BR.")] = "en",
    owner_email: Annotated[
        str | None, typer.Option(help="Invite this person as owner and print the token.")
    ] = None,
    owner_name: Annotated[str, typer.Option(help="The owner's name.")] = "Owner",
) -> None:
    """Create a tenant and subscribe it to a plan; with --owner-email, print an invitation.

    The owner joins with the token by POST /v1/invitations/accept, within 7 days, and invites the
    others. Nothing is mailed: hand the token over yourself.

    Example:

        carteiro tenant create --slug padaria --name "Padaria Aurora" --timezone America/Sao_Paulo
        --currency BRL --region BR --plan start-brl
    """
    from core.store import tenants

    with operator_transaction("tenant.create") as connection:
        tenant_id = tenants.create_tenant(
            connection,
            slug=slug,
            name=name,
            timezone=timezone,
            currency=currency,
            default_region=region,
            plan=plan,
            locale=locale,
        )
        audited(connection, "tenant", tenant_id, tenant_id=tenant_id, details={"plan": plan})
        token = owner_email and tenants.invite_user(
            connection, tenant_id=tenant_id, email=owner_email, name=owner_name, role="owner"
        )
    typer.echo(f"created tenant {slug}: {tenant_id}")
    if token:
        typer.echo(token)


@app.command("add-account")
def add_account(
    slug: _Slug,
    waba: Annotated[str, typer.Option(help="Id of the WhatsApp Business Account.")],
    portfolio: Annotated[str, typer.Option(help="Id of its business portfolio.")],
    timezone: Annotated[str, typer.Option(help="IANA zone in which Meta bills it.")],
    currency: _Currency,
    token_env: Annotated[
        str, typer.Option(help="Environment variable that holds its access token.")
    ],
    name: Annotated[str, typer.Option(help="What to call it.")] = "WhatsApp",
) -> None:
    """Connect a WhatsApp account. The token is read from a variable, never from the arguments."""
    from core.domain.ids import WabaId
    from core.store import tenants

    token = from_environment(token_env, "--token-env")
    with operator_transaction("tenant.add-account") as connection:
        tenant_id = tenants.find_tenant(connection, slug)
        tenants.add_account(
            connection,
            tenant_id=tenant_id,
            waba_id=WabaId(waba),
            portfolio_id=portfolio,
            name=name,
            timezone=timezone,
            currency=currency,
            access_token=token,
        )
        audited(connection, "account", waba, tenant_id=tenant_id)
    typer.echo(f"connected account {waba} to {slug}; next: add-number, or sync through the API")


@app.command("add-number")
def add_number(
    slug: _Slug,
    waba: Annotated[str, typer.Option(help="The account the number belongs to.")],
    number_id: Annotated[str, typer.Option(help="Meta's id of the number.")],
    display: Annotated[str, typer.Option(help="The number as people read it.")],
    throughput: Annotated[int, typer.Option(help="Messages a second: 20, 80 or 1000.")] = 80,
) -> None:
    """Add one number of a connected account."""
    from core.domain.ids import PhoneNumberId, WabaId
    from core.store import tenants

    with operator_transaction("tenant.add-number") as connection:
        tenant_id = tenants.find_tenant(connection, slug)
        tenants.add_number(
            connection,
            tenant_id=tenant_id,
            waba_id=WabaId(waba),
            phone_number_id=PhoneNumberId(number_id),
            display_phone_number=display,
            throughput_per_second=throughput,
        )
        audited(connection, "number", number_id, tenant_id=tenant_id)
    typer.echo(f"added number {number_id} to {slug}")


@app.command("create-key")
def create_key(
    slug: _Slug,
    name: Annotated[str, typer.Option(help="What the key is for.")],
    scope: Annotated[
        list[str] | None, typer.Option(help="A scope; repeat it. Default: all scopes.")
    ] = None,
) -> None:
    """Make an API key and print it: it is shown this once."""
    from api.scopes import Scope
    from core.store import tenants

    known = [one.value for one in Scope]
    unknown = [one for one in scope or () if one not in known]
    if unknown:
        raise typer.BadParameter(f"unknown: {unknown[0]}; known: {', '.join(known)}")
    with operator_transaction("tenant.create-key") as connection:
        tenant_id = tenants.find_tenant(connection, slug)
        key = tenants.create_api_key(
            connection, tenant_id=tenant_id, name=name, scopes=scope or known
        )
        audited(
            connection,
            "api_key",
            key.api_key_id,
            tenant_id=tenant_id,
            details={"scopes": sorted(scope or known)},
        )
    typer.echo(key.plaintext)


@app.command("create-user")
def create_user(
    slug: _Slug,
    email: Annotated[str, typer.Option(help="Address the person signs in with.")],
    name: Annotated[str, typer.Option(help="The person's name.")],
    role: Annotated[str, typer.Option(help="owner, admin, marketer, approver, finance or viewer.")],
    password_env: Annotated[
        str, typer.Option(help="Environment variable that holds the password.")
    ],
) -> None:
    """Let a person sign in to the API."""
    from api.scopes import Role
    from core.store import tenants

    if role not in set(Role):
        raise typer.BadParameter(f"known roles: {', '.join(Role)}")
    password = from_environment(password_env, "--password-env")
    with operator_transaction("tenant.create-user") as connection:
        tenant_id = tenants.find_tenant(connection, slug)
        user_id = tenants.create_user(
            connection,
            tenant_id=tenant_id,
            email=email,
            name=name,
            role=role,
            password=password,
        )
        audited(connection, "user", user_id, tenant_id=tenant_id, details={"role": role})
    typer.echo(f"created user {user_id}")


def from_environment(variable: str, option: str) -> str:
    """The secret a variable holds. Raises BadParameter, naming the option, when it is not set."""
    value = os.environ.get(variable, "")
    if not value:
        raise typer.BadParameter(f"{variable} is not set", param_hint=option)
    return value
