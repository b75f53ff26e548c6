"""Limits of shared portfolios: expand.

Revision ID: 0023
"""

from core.store.migrate import run_sql_file

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Apply 0023_expand_shared_limits.sql."""
    run_sql_file(__file__)
