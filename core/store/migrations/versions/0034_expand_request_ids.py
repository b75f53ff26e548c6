"""Messages that nobody sent in time: expand.

Revision ID: 0034
"""

from core.store.migrate import run_sql_file

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    """Apply 0034_expand_request_ids.sql."""
    run_sql_file(__file__)
