"""Segments: expand.

Revision ID: 0029
"""

from core.store.migrate import run_sql_file

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    """Apply 0029_expand_segments.sql."""
    run_sql_file(__file__)
