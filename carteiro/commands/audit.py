"""`carteiro audit`: who changed what, and whether somebody has touched the record of it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carteiro.commands.connections import operator_transaction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.domain.audit import Finding, Head
    from core.domain.ids import TenantId
    from core.store.audit import Chain
    from core.store.tenants import Connection

_PLATFORM = "platform"
_SHOWN = 20
app = typer.Typer(no_args_is_help=True, help="Who changed what: list, check, export.")
_Tenant = Annotated[
    str | None, typer.Option(help=f"A tenant's slug, or `{_PLATFORM}` for what concerns no tenant.")
]


@app.command("ls")
def list_entries(
    tenant: _Tenant = None,
    actor: Annotated[str | None, typer.Option(help="For instance operator:ana.")] = None,
    operation: Annotated[str | None, typer.Option(help="For instance launch_campaign.")] = None,
    target: Annotated[str | None, typer.Option(help="The id of what was changed.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 50,
) -> None:
    """Show what was changed last, the newest first."""
    from core.store import audit

    with operator_transaction("audit.ls") as connection:
        rows = audit.list_latest(
            connection,
            tenant_id=_tenant_id(connection, tenant),
            limit=limit,
            actor=actor,
            operation=operation,
            target_id=target,
        )
    for row in rows:
        place = "unsealed" if row["sequence"] is None else f"#{row['sequence']}"
        typer.echo(
            f"{row['at']:%Y-%m-%d %H:%M:%SZ}  {row['slug'] or _PLATFORM}  {place}  {row['actor']}"
            f"  {row['operation']}  {row['target_kind']} {row['target_id']}"
        )
    if not rows:
        typer.echo("nothing was changed")


@app.command("verify")
def verify(
    tenant: _Tenant = None,
    head: Annotated[
        str | None, typer.Option(help="A head that was kept elsewhere, as SEQUENCE:HASH.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="An export; no database.")
    ] = None,
) -> None:
    """Check every chain, or one, or an exported one; ends with 1 when something is wrong.

    Finds entries that were changed, taken out, put in, swapped or cut off at the end. What was cut
    off together with the stored head shows against a copy: --head, from an export or the log.

    Examples:

        carteiro audit verify

        carteiro audit verify --tenant padaria --head 4711:9f86d081884c7d65...

        carteiro audit verify --file padaria.ndjson
    """
    from core.domain.audit import check_export, read_head

    if head is not None and tenant is None and file is None:
        raise typer.BadParameter("a head is of one chain: give --tenant or --file")
    copy = None if head is None else read_head(head)
    if file is not None:
        with file.open("rb") as lines:
            last, found = check_export(lines, copy=copy)
        broken = _report(str(file), str(last), found)
    else:
        broken = _verify_database(tenant, copy)
    if broken:
        raise typer.Exit(1)


@app.command("export")
def export(
    tenant: Annotated[str, typer.Option(help=f"A tenant's slug, or `{_PLATFORM}`.")],
    to: Annotated[Path | None, typer.Option(help="File to write; default: the output.")] = None,
) -> None:
    """Write a chain as NDJSON: a line that names its ends, then a line for each entry.

    Example:

        carteiro audit export --tenant padaria --to padaria.ndjson
    """
    from core.domain.audit import export_head, export_line
    from core.store import audit

    with operator_transaction("audit.export") as connection:
        tenant_id = _tenant_id(connection, tenant)
        chains = audit.list_chains(connection, tenant_id=tenant_id)
        if not chains:
            typer.echo("nothing is sealed yet", err=True)
            raise typer.Exit(1)
        chain = chains[0]
        stream = sys.stdout.buffer if to is None else to.open("wb")
        stream.write(export_head(chain.tenant_id, chain.start, chain.head))
        for entry, link in audit.read_chain(connection, chain.tenant_id):
            if chain.head is None or link.sequence <= chain.head.sequence:
                stream.write(export_line(entry, link))
        stream.flush()
        if to is not None:
            stream.close()
    typer.echo(f"head {chain.head}: keep it apart from the file", err=True)


def _verify_database(tenant: str | None, copy: "Head | None") -> bool:
    from core.store import audit

    broken = False
    with operator_transaction("audit.export") as connection:
        # One instant for the heads and the entries: the sealer goes on meanwhile.
        audit.hold_snapshot(connection)
        chains = audit.list_chains(connection, tenant_id=_tenant_id(connection, tenant))
        for chain in chains:
            broken |= _verify_chain(connection, chain, copy)
    if not chains:
        typer.echo("nothing is sealed yet")
    return broken


def _verify_chain(connection: "Connection", chain: "Chain", copy: "Head | None") -> bool:
    from core.domain.audit import START, ChainCheck
    from core.store import audit

    check = ChainCheck(chain.start, copy=copy)
    found: list[Finding] = []
    for entry, link in audit.read_chain(connection, chain.tenant_id):
        found += check.read(entry, link)
    found += check.finish(chain.head or START)
    return _report(chain.name, f"{check.count} entries, head {chain.head}", found)


def _report(name: str, state: str, found: "Sequence[Finding]") -> bool:
    typer.echo(f"{name}: {state}, {f'{len(found)} FLAWS' if found else 'unbroken'}")
    for one in found[:_SHOWN]:
        typer.echo(f"    #{one.sequence}  {one.flaw}: {one.text}")
    if len(found) > _SHOWN:
        typer.echo(f"    and {len(found) - _SHOWN} more")
    return bool(found)


def _tenant_id(connection: "Connection", slug: str | None) -> "TenantId | None":
    from core.domain.audit import PLATFORM
    from core.store import tenants

    if slug is None:
        return None
    return PLATFORM if slug == _PLATFORM else tenants.find_tenant(connection, slug)
