"""`carteiro webhook explain` and `carteiro send explain`: what our own reader makes of a body."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Final

import typer

webhook = typer.Typer(no_args_is_help=True, help="What Meta tells us.")
send = typer.Typer(no_args_is_help=True, help="What Meta answers us.")

_Files = Annotated[
    list[Path] | None,
    typer.Argument(help="Files with a body, or one a line; - or nothing: standard input."),
]
_Pretty = Annotated[bool, typer.Option("--pretty", help="A table instead of JSON lines.")]
_Facts = dict[str, str | int | bool]
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_UNREADABLE: Final = 2


@webhook.callback()
def _webhook() -> None:
    """Keeps `explain` a word of its own while it is the only one."""


@send.callback()
def _send() -> None:
    """Keeps `explain` a word of its own while it is the only one."""


@webhook.command("explain")
def explain_webhook(files: _Files = None, pretty: _Pretty = False) -> None:
    """Print every event of webhook bodies as the applier reads them, one JSON object a line.

    Nothing is stored and no database is needed. Exit 2 when a file holds no JSON; the others are
    printed all the same. The keys are described in docs/webhooks-in.md.

    Examples:

        carteiro webhook explain body.json

        curl -s https://example.com/recorded.ndjson | carteiro webhook explain
    """
    from carteiro.webhook_facts import explain_webhook as read
    from core.whatsapp.json_values import Malformed, parse_json

    def explain(raw: bytes) -> Iterable[_Facts]:
        try:
            return read(parse_json(raw, strict=True))
        except Malformed as error:
            raise _NotJson(str(error)) from None

    raise typer.Exit(_explain_all(files, explain, pretty=pretty))


@send.command("explain")
def explain_send(
    files: _Files = None,
    http: Annotated[
        int | None, typer.Option(help="The HTTP status, where the file does not say it.")
    ] = None,
    pretty: _Pretty = False,
) -> None:
    """Print what the worker makes of the Cloud API's answers to sends, one JSON object a line.

    A body alone, a recorded {"status": 400, "headers": {}, "body": {}}, a list or lines of either.
    What is no JSON (a proxy's HTML) is an api_error, as it is when sending.

    Example:

        carteiro send explain --http 400 answer.json
    """
    from carteiro.answer_facts import explain_answer, explain_raw_answer
    from core.whatsapp.json_values import Malformed, parse_json

    def explain(raw: bytes) -> Iterable[_Facts]:
        try:
            return explain_answer(parse_json(raw), http)
        except Malformed:
            return [explain_raw_answer(raw, http)]

    raise typer.Exit(_explain_all(files, explain, pretty=pretty))


class _NotJson(ValueError):
    """What a file holds cannot be read; the text says why."""


def _explain_all(
    files: list[Path] | None, explain: Callable[[bytes], Iterable[_Facts]], *, pretty: bool
) -> int:
    """Print the facts of every body, complain of those that can't be read; the exit status."""
    status = 0
    rows: list[_Facts] = []
    for path in files or [Path("-")]:
        name = "standard input" if str(path) == "-" else str(path)
        for body in _read(path, name):
            found = None if body is None else _facts(explain, body, name)
            if found is None:
                status = _UNREADABLE
            elif pretty:
                rows += found
            else:
                _print_lines(found)
    if pretty:
        _print_table(rows)
    return status


def _read(path: Path, name: str) -> list[bytes] | list[None]:
    """The bodies of a file; one None, after a complaint, when it can't be opened."""
    try:
        raw = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        typer.echo(f"carteiro: {name}: {error.strerror or error}", err=True)
        return [None]
    return _bodies(raw.removeprefix(_BYTE_ORDER_MARK))


def _facts(
    explain: Callable[[bytes], Iterable[_Facts]], body: bytes, name: str
) -> list[_Facts] | None:
    try:
        return list(explain(body))
    except _NotJson as error:
        typer.echo(f"carteiro: {name}: {error}", err=True)
        return None


def _bodies(raw: bytes) -> list[bytes]:
    """One body, or one a line: lines that are objects by themselves in a file that is none."""
    lines = [line for line in raw.splitlines() if line.strip()]
    if len(lines) < 2 or _is_object(raw) is not None or not any(map(_is_object, lines)):
        return [raw]
    return lines


def _is_object(raw: bytes) -> bool | None:
    """Whether it is a JSON object; None when it is no JSON at all."""
    from core.whatsapp.json_values import Malformed, parse_json

    try:
        return isinstance(parse_json(raw), dict)
    except Malformed:
        return None


def _print_lines(found: list[_Facts]) -> None:
    import orjson

    if found:
        typer.echo(b"\n".join(orjson.dumps(facts) for facts in found))


def _print_table(rows: list[_Facts]) -> None:
    from rich.console import Console
    from rich.table import Table

    names = list(dict.fromkeys(name for row in rows for name in row))
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in names:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(str(row.get(name, "")) for name in names))
    Console().print(table)
