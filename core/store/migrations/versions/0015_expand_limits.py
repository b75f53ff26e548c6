"""Limits: expand.

Revision ID: 0015
"""

from core.store.migrate import run_sql_file

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Apply 0015_expand_limits.sql."""
    run_sql_file(__file__)
