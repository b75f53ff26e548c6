"""Drafts of templates: expand.

Revision ID: 0025
"""

from core.store.migrate import run_sql_file

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    """Apply 0025_expand_template_drafts.sql."""
    run_sql_file(__file__)
