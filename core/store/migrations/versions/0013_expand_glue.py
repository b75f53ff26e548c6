"""What joins the slices: expand.

Revision ID: 0013
"""

from core.store.migrate import run_sql_file

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Apply 0013_expand_glue.sql."""
    run_sql_file(__file__)
