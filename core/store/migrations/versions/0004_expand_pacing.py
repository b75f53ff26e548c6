"""The pacer's reads: expand.

Revision ID: 0004
"""

from core.store.migrate import run_sql_file

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Apply 0004_expand_pacing.sql."""
    run_sql_file(__file__)
