"""Messages that nobody sent in time: expand.

Revision ID: 0037
"""

from core.store.migrate import run_sql_file

revision = "0037"
down_revision = "0036"


def upgrade() -> None:
    """Apply 0037_expand_request_ids.sql."""
    run_sql_file(__file__)
