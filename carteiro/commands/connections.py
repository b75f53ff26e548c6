"""Database connections of commands; whoever changes something is written down with it."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from getpass import getuser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.domain.ids import TenantId
    from core.store.audit import Detail
    from core.store.tenants import Connection

_command: ContextVar[str] = ContextVar("command")


@contextmanager
def operator_transaction(command: str) -> "Iterator[Connection]":
    """One transaction in role `operator`, committed when the block ends well.

    What it writes has an audit entry in it: the command's own (`audited`), or one that names the
    command (`tenant.create-key`) and nothing more.
    """
    import psycopg

    from core.dsn import DatabaseRole
    from core.settings import get_settings
    from core.store import audit

    dsn = get_settings().dsn(DatabaseRole.OPERATOR)
    # Opened here: a store's own `transaction()` would otherwise be the outermost one and commit.
    with psycopg.connect(dsn) as connection, connection.transaction():
        _command.set(command)
        yield connection
        audit.record_unspoken(connection, actor=operator_name(), operation=command)


def audited(
    connection: "Connection",
    kind: str,
    target_id: object,
    *,
    tenant_id: "TenantId | None" = None,
    operation: str | None = None,
    details: "Mapping[str, Detail] | None" = None,
    only_if_written: bool = True,
) -> None:
    """Write down what this command did to what: once it has written anything, or in any case.

    The entry is in the tenant's own chain; without a tenant, in that of the thing's owner, or of
    the platform. Ids, fields and counts only: never a name, a number, a text of a person.
    """
    from core.store import audit

    entry = audit.operator_entry(
        operator_name(),
        operation or _command.get(),
        target=(kind, str(target_id)),
        tenant_id=tenant_id or audit.find_owner(connection, kind, str(target_id)),
        details=details,
    )
    write = audit.record_if_written if only_if_written else audit.record
    write(connection, entry)


def operator_name() -> str:
    """Who is written down as having done something: CARTEIRO_OPERATOR, or the system's user."""
    return os.environ.get("CARTEIRO_OPERATOR") or getuser()
