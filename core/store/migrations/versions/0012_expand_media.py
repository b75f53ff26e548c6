"""Media: expand.

Revision ID: 0012
"""

from core.store.migrate import run_sql_file

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Apply 0012_expand_media.sql."""
    run_sql_file(__file__)
