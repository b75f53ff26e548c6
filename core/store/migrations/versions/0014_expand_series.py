"""Series: expand.

Revision ID: 0014
"""

from core.store.migrate import run_sql_file

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Apply 0014_expand_series.sql."""
    run_sql_file(__file__)
