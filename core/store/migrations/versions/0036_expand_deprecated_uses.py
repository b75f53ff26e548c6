"""Uses of deprecated operations: expand.

Revision ID: 0036
"""

from core.store.migrate import run_sql_file

revision = "0036"
down_revision = "0035"


def upgrade() -> None:
    """Apply 0036_expand_deprecated_uses.sql."""
    run_sql_file(__file__)
