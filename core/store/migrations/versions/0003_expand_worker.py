"""Claims and outcomes: expand.

Revision ID: 0003
"""

from core.store.migrate import run_sql_file

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Apply 0003_expand_worker.sql."""
    run_sql_file(__file__)
