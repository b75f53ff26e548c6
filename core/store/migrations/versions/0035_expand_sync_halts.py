"""The API's sync halts and lifts templates with their alerts: expand.

Revision ID: 0035
"""

from core.store.migrate import run_sql_file

revision = "0035"
down_revision = "0034"


def upgrade() -> None:
    """Apply 0035_expand_sync_halts.sql."""
    run_sql_file(__file__)
