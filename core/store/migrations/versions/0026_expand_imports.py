"""Imports as jobs: expand.

Revision ID: 0026
"""

from core.store.migrate import run_sql_file

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    """Apply 0026_expand_imports.sql."""
    run_sql_file(__file__)
