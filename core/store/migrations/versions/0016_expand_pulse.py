"""When landing listened: expand.

Revision ID: 0016
"""

from core.store.migrate import run_sql_file

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Apply 0016_expand_pulse.sql."""
    run_sql_file(__file__)
