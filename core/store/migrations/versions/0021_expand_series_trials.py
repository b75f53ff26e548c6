"""Series with arms and waves: expand.

Revision ID: 0021
"""

from core.store.migrate import run_sql_file

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Apply 0021_expand_series_trials.sql."""
    run_sql_file(__file__)
