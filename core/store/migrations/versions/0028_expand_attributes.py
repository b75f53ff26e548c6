"""Declared attributes: expand.

Revision ID: 0028
"""

from core.store.migrate import run_sql_file

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    """Apply 0028_expand_attributes.sql."""
    run_sql_file(__file__)
