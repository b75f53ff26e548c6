"""What Meta says of accounts, numbers and templates: expand.

Revision ID: 0007
"""

from core.store.migrate import run_sql_file

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Apply 0007_expand_notices.sql."""
    run_sql_file(__file__)
