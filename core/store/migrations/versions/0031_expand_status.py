"""What a tenant is told of switches and landing: expand.

Revision ID: 0031
"""

from core.store.migrate import run_sql_file

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    """Apply 0031_expand_status.sql."""
    run_sql_file(__file__)
