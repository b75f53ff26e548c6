"""Plans: expand.

Revision ID: 0006
"""

from core.store.migrate import run_sql_file

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Apply 0006_expand_plans.sql."""
    run_sql_file(__file__)
