"""The published reconciliation in a few lines."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import psycopg

from core.settings import Settings
from core.store.queries import load
from core.store.warehouse import warehouse_dsn

HEADERS: Final = (
    "result", "owner", "currency", "lines", "our messages", "Meta's", "our cost", "Meta's cost",
    "at stake",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconciliationLine:
    """One kind of result in one currency; costs are None where neither side knows."""

    break_type: str
    owner: str
    currency: str
    lines: int
    our_volume: int
    meta_volume: int
    our_cost: Decimal | None
    meta_cost: Decimal | None
    money_at_stake: Decimal | None

    @property
    def is_break(self) -> bool:
        """Whether somebody must look at it."""
        return self.owner != "nobody"

    def cells(self) -> tuple[object, ...]:
        """The line in the order of HEADERS."""
        return (
            self.break_type, self.owner, self.currency, self.lines, self.our_volume,
            self.meta_volume, self.our_cost, self.meta_cost, self.money_at_stake,
        )  # fmt: skip


def summarise(settings: Settings) -> list[ReconciliationLine]:
    """Every result type of the published reconciliation, by currency."""
    names = (
        "break_type", "owner", "currency", "lines", "our_volume", "meta_volume", "our_cost",
        "meta_cost", "money_at_stake",
    )  # fmt: skip
    with psycopg.connect(warehouse_dsn(settings)) as connection:
        rows = connection.execute(load("warehouse").sum_reconciliation).fetchall()
    return [ReconciliationLine(**dict(zip(names, row, strict=True))) for row in rows]
