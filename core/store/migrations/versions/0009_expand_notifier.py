"""Webhooks to tenants: expand.

Revision ID: 0009
"""

from core.store.migrate import run_sql_file

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Apply 0009_expand_notifier.sql."""
    run_sql_file(__file__)
