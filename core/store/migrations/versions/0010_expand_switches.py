"""Switches and quarantines: expand.

Revision ID: 0010
"""

from core.store.migrate import run_sql_file

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Apply 0010_expand_switches.sql."""
    run_sql_file(__file__)
