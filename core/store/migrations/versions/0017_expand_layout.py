"""Rows of messages that are cheap to move: expand.

Revision ID: 0017
"""

from core.store.migrate import run_sql_file

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Apply 0017_expand_layout.sql."""
    run_sql_file(__file__)
