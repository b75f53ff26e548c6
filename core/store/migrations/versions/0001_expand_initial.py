"""The first schema: expand.

Revision ID: 0001
"""

from core.store.migrate import run_sql_file

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Apply 0001_expand_initial.sql."""
    run_sql_file(__file__)
