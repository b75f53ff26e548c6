"""People, sessions, keys: expand.

Revision ID: 0019
"""

from core.store.migrate import run_sql_file

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Apply 0019_expand_identity.sql."""
    run_sql_file(__file__)
