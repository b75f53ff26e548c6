"""The audit chain: expand.

Revision ID: 0018
"""

from core.store.migrate import run_sql_file

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Apply 0018_expand_audit.sql."""
    run_sql_file(__file__)
