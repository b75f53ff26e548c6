"""Creates partitions ahead and counts the rows that found none."""

import psycopg

from core.dsn import DatabaseRole
from core.settings import Settings
from core.store.queries import load


def create_ahead(settings: Settings) -> int:
    """Create the partitions of the coming days; returns how many were missing."""
    with psycopg.connect(settings.dsn(DatabaseRole.DATA)) as connection:
        row = connection.execute(
            load("extractions").ensure_partitions, {"days_ahead": settings.partition_days_ahead}
        ).fetchone()
    return int(str(row[0])) if row else 0


def count_strays(settings: Settings) -> dict[str, int]:
    """Rows in the DEFAULT partitions by table; each should be 0."""
    with psycopg.connect(settings.dsn(DatabaseRole.OWNER)) as connection:
        cursor = connection.execute(load("extractions").count_default_rows)
        names = [column.name for column in cursor.description or ()]
        row = cursor.fetchone() or ()
    return {name: int(str(value)) for name, value in zip(names, row, strict=True)}
