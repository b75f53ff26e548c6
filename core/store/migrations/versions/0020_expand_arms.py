"""Arms: expand.

Revision ID: 0020
"""

from core.store.migrate import run_sql_file

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Apply 0020_expand_arms.sql."""
    run_sql_file(__file__)
