"""Uses of deprecated operations: expand.

Revision ID: 0032
"""

from core.store.migrate import run_sql_file

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    """Apply 0032_expand_deprecated_uses.sql."""
    run_sql_file(__file__)
