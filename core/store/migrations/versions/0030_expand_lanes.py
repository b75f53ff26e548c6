"""Messages that nobody sent in time: expand.

Revision ID: 0030
"""

from core.store.migrate import run_sql_file

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    """Apply 0030_expand_lanes.sql."""
    run_sql_file(__file__)
