"""What the claim must be able to ask: expand.

Revision ID: 0002
"""

from core.store.migrate import run_sql_file

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Apply 0002_expand_live_path.sql."""
    run_sql_file(__file__)
