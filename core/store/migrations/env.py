"""Alembic's entry: runs the revisions on the connection that core.store.migrate hands over."""

from alembic import context

connection = context.config.attributes["connection"]
# Each revision is one transaction of its own; a failed one leaves no half of itself behind.
context.configure(
    connection=connection, version_table="schema_version", transaction_per_migration=True
)
with context.begin_transaction():
    context.run_migrations()
