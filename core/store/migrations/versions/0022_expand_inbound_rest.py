"""Inbound, the rest: expand.

Revision ID: 0022
"""

from core.store.migrate import run_sql_file

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Apply 0022_expand_inbound_rest.sql."""
    run_sql_file(__file__)
