"""Database connections of commands."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.store.tenants import Connection


@contextmanager
def operator_transaction() -> "Iterator[Connection]":
    """One transaction in role `operator`, committed when the block ends well."""
    import psycopg

    from core.dsn import DatabaseRole
    from core.settings import get_settings

    with psycopg.connect(get_settings().dsn(DatabaseRole.OPERATOR)) as connection:
        yield connection
