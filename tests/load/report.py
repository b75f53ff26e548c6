"""Rows of figures: one table for people, or one JSON object a row."""

from dataclasses import dataclass
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from tests.load.registry import Benchmark, Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A benchmark with what it measured."""

    benchmark: Benchmark
    figure: Figure

    @property
    def ratio(self) -> float | None:
        """How many times the peer's value ours is."""
        peer = self.figure.peer_value
        return round(self.figure.value / peer, 2) if peer else None

    def as_json(self) -> dict[str, Any]:
        """name, value, unit, target, peer, peer_value, ratio, note."""
        return {
            "name": self.benchmark.name,
            "value": _rounded(self.figure.value),
            "unit": self.benchmark.unit,
            "target": self.benchmark.target,
            "peer": self.benchmark.peer,
            "peer_value": _rounded(self.figure.peer_value),
            "ratio": self.ratio,
            "note": self.figure.note,
        }


def print_json(row: Row) -> None:
    """One line on stdout, as soon as it is known."""
    print(orjson.dumps(row.as_json()).decode(), flush=True)


def print_table(rows: list[Row]) -> None:
    """All rows at once; notes stand under the table, for they are sentences."""
    table = Table(title="Figures of one run", title_justify="left")
    for heading in ("name", "value", "unit", "target", "peer", "peer value", "ratio"):
        right = heading in {"value", "target", "peer value", "ratio"}
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    for row in rows:
        said = row.as_json()
        table.add_row(
            said["name"],
            _grouped(said["value"]),
            said["unit"],
            _grouped(said["target"]),
            said["peer"],
            _grouped(said["peer_value"]),
            f"{row.ratio:g} x" if row.ratio is not None else "-",
        )
    console = Console(width=None if Console().is_terminal else 140)
    console.print(table)
    for row in rows:
        console.print(f"{row.benchmark.name}: {row.figure.note}", highlight=False)


def _rounded(value: float | None) -> float | None:
    if value is None:
        return None
    return round(value) if abs(value) >= 100 else round(value, 3)


def _grouped(value: float | None) -> str:
    return "-" if value is None else f"{value:,}"
