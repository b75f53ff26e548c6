"""`carteiro dlq`: what could not be processed, looked at, tried again or thrown away."""

import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from carteiro.commands.connections import audited, operator_name, operator_transaction

if TYPE_CHECKING:
    from core.store.dead_letters import DeadLetter, LetterFilter

_PIPED_WIDTH = 400
app = typer.Typer(
    no_args_is_help=True, help="Dead tickets and quarantined webhooks: list, redrive, discard."
)
_Ids = Annotated[list[str] | None, typer.Argument(help="Ids as `ls` shows them; or filters.")]
_Kind = Annotated[str | None, typer.Option(help="ticket or webhook.")]
_Reason = Annotated[str | None, typer.Option(help="How the reason begins.")]
_Tenant = Annotated[str | None, typer.Option(help="Slug.")]
_Older = Annotated[str | None, typer.Option("--older-than", help="90s, 30m, 2h, 1d.")]
_Limit = Annotated[int, typer.Option(min=1, help="How many at most.")]
_Rate = Annotated[float, typer.Option(min=0.1, help="How many a second at most.")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; do nothing.")]


@app.command("ls")
def list_letters(
    kind: _Kind = None,
    reason: _Reason = None,
    tenant: _Tenant = None,
    older_than: _Older = None,
    resolved_too: Annotated[bool, typer.Option("--all", help="Also what is resolved.")] = False,
    limit: _Limit = 100,
) -> None:
    """Show what was put aside, the oldest first.

    Examples:

        carteiro dlq ls

        carteiro dlq ls --kind webhook --reason unknown_number
    """
    from rich.console import Console
    from rich.table import Table

    wanted = _filter(None, kind, reason, tenant, older_than, resolved_too=resolved_too)
    found = _find(wanted, limit + 1)
    if not found:
        typer.echo("nothing was put aside" if resolved_too else "nothing is put aside")
        return
    table = Table("id", "reason", "tenant", "what", "times", "since", "resolved", box=None)
    for letter in found[:limit]:
        table.add_row(*_cells(letter))
    # Piped into another program, a row must stay a row.
    Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH).print(table)
    if len(found) > limit:
        typer.echo(f"there are more than these {limit}: --limit {limit * 10}")


@app.command("show")
def show_letter(
    letter_id: Annotated[str, typer.Argument(help="Id as `ls` shows it.")],
    body: Annotated[
        bool, typer.Option("--body", help="Also print the raw bytes: they hold personal data.")
    ] = False,
) -> None:
    """Show everything that is known of one, on request with its raw bytes.

    Example:

        carteiro dlq show webhook:42 --body | carteiro webhook explain -
    """
    from core.store import dead_letters

    with operator_transaction("dlq.show") as connection:
        facts = dead_letters.show_letter(connection, letter_id)
        raw = facts.pop("body")
        if body:
            kind = letter_id.partition(":")[0]
            audited(connection, kind, letter_id, operation="dlq.body_read", only_if_written=False)
    if body:
        if not isinstance(raw, (bytes, memoryview)):
            typer.echo(f"{letter_id}: its body is gone, retention has dropped it", err=True)
            raise typer.Exit(1)
        typer.echo(bytes(raw).decode("utf-8", "replace"))
        return
    for name, value in facts.items():
        typer.echo(f"{name}: {value}")
    size = f"{len(raw)} bytes" if isinstance(raw, (bytes, memoryview)) else "gone"
    typer.echo(f"body: {size}")


@app.command("redrive")
def redrive(
    letter_ids: _Ids = None,
    kind: _Kind = None,
    reason: _Reason = None,
    tenant: _Tenant = None,
    older_than: _Older = None,
    limit: _Limit = 1_000,
    rate: _Rate = 50.0,
    dry_run: _DryRun = False,
) -> None:
    """Try again what was put aside. Twice at once does nothing twice.

    A webhook goes back to the applier, which skips what it has applied before. A ticket is issued
    anew for those of its messages that still wait; the claim decides whether they may go.

    Examples:

        carteiro dlq redrive webhook:42

        carteiro dlq redrive --kind webhook --reason processing_failed --limit 100 --dry-run
    """
    from core.broker.connection import TicketPublisher
    from core.settings import get_settings
    from sender.redrive import redrive_letter

    wanted = _filter(letter_ids, kind, reason, tenant, older_than)
    with TicketPublisher(get_settings()) as publisher:

        def act(letter: "DeadLetter") -> str:
            with operator_transaction("dlq.redrive") as connection:
                result = redrive_letter(
                    connection, publisher, letter.letter_id, actor=operator_name()
                )
                audited(connection, letter.kind, letter.letter_id, details={"result": result})
            return result

        _each("redrive", wanted, act, limit=limit, rate=rate, dry_run=dry_run)


@app.command("discard")
def discard(
    letter_ids: _Ids = None,
    kind: _Kind = None,
    reason: _Reason = None,
    tenant: _Tenant = None,
    older_than: _Older = None,
    limit: _Limit = 1_000,
    rate: _Rate = 1_000.0,
    dry_run: _DryRun = False,
) -> None:
    """Close what was put aside without another try; it stays listed under `ls --all`.

    Example:

        carteiro dlq discard --kind webhook --reason unknown_number --older-than 7d
    """
    from core.store import dead_letters
    from core.store.dead_letters import LetterKind

    wanted = _filter(letter_ids, kind, reason, tenant, older_than)

    def act(letter: "DeadLetter") -> str:
        found, key = dead_letters.read_letter_id(letter.letter_id)
        with operator_transaction("dlq.discard") as connection:
            if found is LetterKind.TICKET and not isinstance(key, int):
                closed = dead_letters.resolve_ticket(
                    connection, key, resolution="discarded", actor=operator_name()
                )
            else:
                closed = dead_letters.discard_webhook(
                    connection, int(str(key)), actor=operator_name()
                )
            audited(connection, letter.kind, letter.letter_id, details={"reason": letter.reason})
        return "discarded" if closed else "was closed already"

    _each("discard", wanted, act, limit=limit, rate=rate, dry_run=dry_run)


def _each(
    verb: str,
    wanted: "LetterFilter",
    act: "Callable[[DeadLetter], str]",
    *,
    limit: int,
    rate: float,
    dry_run: bool,
) -> None:
    """One by one, each in a transaction of its own: an end in the middle loses nothing."""
    found = _find(wanted, limit)
    if dry_run:
        for letter in found:
            typer.echo(f"{letter.letter_id}  {letter.reason}")
        typer.echo(f"would {verb} {len(found)} (nothing was done)")
        return
    done: dict[str, int] = {}
    started = time.monotonic()
    for number, letter in enumerate(found):
        time.sleep(max(0.0, started + number / rate - time.monotonic()))
        result = act(letter)
        done[result] = done.get(result, 0) + 1
        typer.echo(f"{letter.letter_id}  {result}")
    typer.echo(", ".join(f"{count} {result}" for result, count in done.items()) or "nothing to do")


def _filter(
    letter_ids: Sequence[str] | None,
    kind: str | None,
    reason: str | None,
    tenant: str | None,
    older_than: str | None,
    *,
    resolved_too: bool = False,
) -> "LetterFilter":
    from core.domain.switches import read_duration
    from core.store.dead_letters import LetterFilter, LetterKind, read_letter_id

    if kind is not None and kind not in {item.value for item in LetterKind}:
        raise typer.BadParameter("--kind is ticket or webhook")
    for letter_id in letter_ids or ():
        read_letter_id(letter_id)
    return LetterFilter(
        kind=LetterKind(kind) if kind else None,
        reason=reason,
        slug=tenant,
        before=datetime.now(UTC) - read_duration(older_than) if older_than else None,
        letter_ids=list(letter_ids) if letter_ids else None,
        include_resolved=resolved_too,
    )


def _find(wanted: "LetterFilter", limit: int) -> "list[DeadLetter]":
    from core.store import dead_letters

    with operator_transaction("dlq.ls") as connection:
        return dead_letters.list_dead_letters(connection, wanted, limit=limit)


def _cells(letter: "DeadLetter") -> tuple[str, ...]:
    resolved = f"{letter.resolution}" if letter.resolved_at else ""
    since = f"{letter.put_aside_at.astimezone(UTC):%Y-%m-%d %H:%MZ}"
    return (
        letter.letter_id,
        letter.reason,
        letter.slug or "",
        letter.detail,
        str(letter.occurrences),
        since,
        resolved,
    )
