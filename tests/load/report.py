"""Rows of figures: one table for people, or one JSON object a row."""

import sys
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from tests.load.registry import Row


def as_json(row: Row) -> dict[str, Any]:
    """name, value, unit, target, peer, peer_value, ratio."""
    return {
        "name": row.promise.name,
        "value": _rounded(row.figure.value),
        "unit": row.promise.unit,
        "target": row.promise.target,
        "peer": row.promise.peer,
        "peer_value": _rounded(row.figure.peer_value),
        "ratio": row.ratio,
    }


def print_json(row: Row) -> None:
    """One line on stdout, as soon as it is known; the note is for people and goes to stderr."""
    print(orjson.dumps(as_json(row)).decode(), flush=True)
    print(f"{row.promise.name}: {row.figure.note}", file=sys.stderr, flush=True)


def print_table(rows: list[Row]) -> None:
    """All rows at once; notes stand under the table, for they are sentences."""
    table = Table(title="Figures of one run", title_justify="left")
    for heading in ("name", "value", "unit", "target", "peer", "peer value", "ratio"):
        right = heading in {"value", "target", "peer value", "ratio"}
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    for row in rows:
        said = as_json(row)
        table.add_row(
            said["name"],
            _grouped(said["value"]),
            said["unit"],
            _target(row),
            said["peer"] or "none",
            _grouped(said["peer_value"]),
            f"{row.ratio:g} x" if row.ratio is not None else "-",
        )
    console = Console(width=None if Console().is_terminal else 140)
    console.print(table)
    for row in rows:
        console.print(f"{row.promise.name}: {row.figure.note}", highlight=False)


def _target(row: Row) -> str:
    under = "under " if row.promise.less_is_better and row.promise.target is not None else ""
    return under + _grouped(row.promise.target)


def _rounded(value: float | None) -> float | None:
    if value is None:
        return None
    return round(value) if abs(value) >= 100 else round(value, 3)


def _grouped(value: float | None) -> str:
    return "-" if value is None else f"{value:,}"
