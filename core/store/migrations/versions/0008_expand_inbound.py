"""Inbound messages and windows: expand.

Revision ID: 0008
"""

from core.store.migrate import run_sql_file

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Apply 0008_expand_inbound.sql."""
    run_sql_file(__file__)
