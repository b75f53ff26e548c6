"""`carteiro send errors`: the error atlas, for people and for docs/error-atlas.md."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from carteiro.commands.explain import send

if TYPE_CHECKING:
    from core.domain.provider_errors import ProviderError

__all__ = ["send"]

_HEAD = ("code", "name", "scope", "what we do", "the message", "advice")
_ACTIONS = {
    "fail": "nothing more",
    "delay": "wait",
    "suppress": "leave the person out",
    "pause": "pause the number, alert",
    "halt_template": "halt the template, alert",
    "block": "block, alert",
    "breaker": "stop the account, alert",
    "in_doubt": "wait for evidence",
}


@send.command("errors")
def list_errors(
    codes: Annotated[
        list[int] | None, typer.Argument(help="Only these codes, also unknown ones.")
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="The page docs/error-atlas.md.")
    ] = False,
) -> None:
    """Show what each of Meta's error codes makes us do.

    Examples:

        carteiro send errors

        carteiro send errors 131049 130429
    """
    from core.domain.provider_errors import ATLAS, classify

    if markdown:
        typer.echo(atlas_page(list(ATLAS.values())), nl=False)
        return
    _print_table([classify(code) for code in codes] if codes else list(ATLAS.values()))


def _print_table(rules: "Sequence[ProviderError]") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*_HEAD, box=None)
    for rule in sorted(rules, key=_order):
        table.add_row(*cells(rule))
    Console().print(table)


def atlas_page(rules: "Sequence[ProviderError]") -> str:
    """The atlas as Markdown, with what the columns mean."""
    rows = "\n".join(f"| {' | '.join(row)} |" for row in _folded(sorted(rules, key=_order)))
    return f"""{_INTRODUCTION}
| {" | ".join(_HEAD)} |
|{"---|" * len(_HEAD)}
{rows}
"""


def _folded(rules: "Sequence[ProviderError]") -> list[tuple[str, ...]]:
    """The rows, neighbours that differ in nothing but the code in one (200-299)."""
    rows: list[tuple[str, ...]] = []
    for rule in rules:
        row = cells(rule)
        if rows and rows[-1][1:] == row[1:]:
            row = (f"{rows[-1][0].split('-')[0]}-{row[0]}", *row[1:])
            rows.pop()
        rows.append(row)
    return rows


def cells(rule: "ProviderError") -> tuple[str, ...]:
    """One rule in words."""
    what = _ACTIONS[rule.action.value]
    if rule.category:
        what += f" ({rule.category} only)"
    if rule.writes_opt_out:
        what += ", write the opt-out"
    if rule.needs_phone:
        what += ", needs a phone"
    if rule.wait_seconds:
        what += f", {_duration(rule.wait_seconds)}"
    code = "?" if rule.code is None else str(rule.code)
    return (code, rule.name, rule.scope.value, what, _message(rule), rule.advice)


def _message(rule: "ProviderError") -> str:
    if rule.action.value == "in_doubt":
        return "in doubt"
    return "waits" if rule.message_stays_queued else "fails"


def _duration(seconds: int) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _order(rule: "ProviderError") -> int:
    return -1 if rule.code is None else rule.code


_INTRODUCTION = """# The error atlas: what each of Meta's codes makes us do

One table decides, `core/domain/provider_errors.py`; this page is what `carteiro send errors
--markdown` prints, and a test holds the two equal. Codes decide, never HTTP statuses: the same
code is seen with 400, 403 and 429.

- **scope**: everything in it would meet the same error, so the consequence is the scope's, once,
  with one alert: a thousand refused messages pause their number once.
- **the message** says what becomes of it when the code is the answer to a send. In a `failed`
  webhook it has failed, whatever the code; then only the consequence happens. A wait is no
  attempt and costs nothing.
- *in doubt*: Meta may have processed it. It is never repeated blindly: [Runbook: messages in
  doubt](runbooks/messages-in-doubt.md).
- A code that is not here fails its message and opens an alert. It is never retried.
- Nothing here is billable: Meta charges on delivery.

How to lift what stopped: [Runbook: a breaker is open](runbooks/breaker-open.md). One code:
`carteiro send errors 131049`.
"""
