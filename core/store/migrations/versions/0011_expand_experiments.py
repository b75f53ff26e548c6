"""Experiments, canaries and re-drives: expand.

Revision ID: 0011
"""

from core.store.migrate import run_sql_file

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Apply 0011_expand_experiments.sql."""
    run_sql_file(__file__)
