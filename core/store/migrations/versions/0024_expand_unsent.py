"""Messages that nobody sent in time: expand.

Revision ID: 0024
"""

from core.store.migrate import run_sql_file

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    """Apply 0024_expand_unsent.sql."""
    run_sql_file(__file__)
