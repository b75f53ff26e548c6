"""Find a session without a tenant: expand.

Revision ID: 0031
"""

from core.store.migrate import run_sql_file

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    """Apply 0031_expand_find_session.sql."""
    run_sql_file(__file__)
