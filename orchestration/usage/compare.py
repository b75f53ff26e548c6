"""The warehouse's usage beside the lake's."""

from dataclasses import dataclass

import psycopg

from core.errors import InvariantBroken
from core.settings import Settings
from core.store.queries import load
from core.store.warehouse import warehouse_dsn


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Delivered messages by both counts, and the keys on which they differ."""

    warehouse: int
    lake: int
    differences: tuple[tuple[object, ...], ...]


def compare_counts(settings: Settings) -> Comparison:
    """Compare what dbt has just written with the rollup, key by key."""
    queries = load("warehouse")
    with psycopg.connect(warehouse_dsn(settings)) as connection:
        sums = connection.execute(queries.sum_usage).fetchone()
        differences = connection.execute(queries.compare_usage).fetchall()
    if sums is None:
        raise InvariantBroken("the sums of usage have no row")
    return Comparison(
        warehouse=int(str(sums[0])), lake=int(str(sums[1])), differences=tuple(differences)
    )
