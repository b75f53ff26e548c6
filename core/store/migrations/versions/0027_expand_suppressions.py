"""Suppressions by people: expand.

Revision ID: 0027
"""

from core.store.migrate import run_sql_file

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    """Apply 0027_expand_suppressions.sql."""
    run_sql_file(__file__)
