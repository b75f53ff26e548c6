"""Forget what is old: expand.

Revision ID: 0033
"""

from core.store.migrate import run_sql_file

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    """Apply 0033_expand_leftovers.sql."""
    run_sql_file(__file__)
