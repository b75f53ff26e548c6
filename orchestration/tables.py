"""Metadata that finance can read: small markdown tables, numbers with separators."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

import dagster as dg

_MOST_ROWS = 40


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> dg.MarkdownMetadataValue:
    """A markdown table; says how many rows were left out when there are many."""
    listed = list(rows)
    lines = ["| " + " | ".join(headers) + " |", "|" + " --- |" * len(headers)]
    lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in listed[:_MOST_ROWS]]
    if len(listed) > _MOST_ROWS:
        lines.append(f"\n... and {len(listed) - _MOST_ROWS} more")
    return dg.MetadataValue.md("\n".join(lines))


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Decimal):
        return f"{value.normalize():,f}"
    return str(value).replace("|", "\\|")
