"""Schedules and quiet hours: expand.

Revision ID: 0005
"""

from core.store.migrate import run_sql_file

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Apply 0005_expand_schedules.sql."""
    run_sql_file(__file__)
