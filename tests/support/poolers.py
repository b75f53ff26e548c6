"""A real PgBouncer in transaction mode before a test's database."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg
from psycopg import sql

from carteiro.home import free_port
from carteiro.processes import wait_until
from core.dsn import DatabaseRole, parse_dsn, write_url
from core.settings import Settings
from tests.support.services import PGBOUNCER, background, port_answers, private_folder, run_as

#: Fewer than the API's connections, so that transactions of all of them share each of these.
SERVER_CONNECTIONS = 2
#: The Debian package runs it as this user too; root it refuses.
_USER = "postgres"
#: What a session of ours says for itself where nobody stands between (core.store.database).
_OF_THE_LOGIN = (
    ("role", DatabaseRole.APP.role_name),
    ("timezone", "UTC"),
    ("jit", "off"),
    ("idle_in_transaction_session_timeout", "60s"),
    ("client_connection_check_interval", "10s"),
)


@contextmanager
def pooled(settings: Settings) -> Iterator[Settings]:
    """The same settings, with the API's database behind PgBouncer."""
    login, password = f"carteiro_api_{secrets.token_hex(4)}", secrets.token_hex(12)
    with ExitStack() as stack:
        stack.enter_context(_login(settings, login, password))
        address = parse_dsn(settings.database_url)
        port = _start(stack, address, login, password)
        through = {"host": "127.0.0.1", "port": str(port), "dbname": address["dbname"]}
        url = write_url({**through, "user": login, "password": password})
        yield settings.model_copy(update={"app_database_url": url, "app_database_pooled": True})


@contextmanager
def _login(settings: Settings, login: str, password: str) -> Iterator[None]:
    """A login as deploy/README.md makes it."""
    name = sql.Identifier(login)
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("create role {} login noinherit password {} in role carteiro_app").format(
                name, sql.Literal(password)
            )
        )
        for setting, value in _OF_THE_LOGIN:
            connection.execute(
                sql.SQL("alter role {} set {} = {}").format(
                    name, sql.Identifier(setting), sql.Literal(value)
                )
            )
        try:
            yield
        finally:
            connection.execute(sql.SQL("drop role {}").format(name))


def _start(stack: ExitStack, address: dict[str, str], login: str, password: str) -> int:
    folder, port = private_folder(stack, owner=_USER), free_port()
    users = folder / "users.txt"
    users.write_text(f'"{login}" "{password}"\n')
    configuration = folder / "pgbouncer.ini"
    configuration.write_text(
        "[databases]\n"
        f"* = host={address['host']} port={address['port']}\n"
        "[pgbouncer]\n"
        f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = scram-sha-256\nauth_file = {users}\n"
        f"pool_mode = transaction\ndefault_pool_size = {SERVER_CONNECTIONS}\n"
    )
    for file in (users, configuration):
        file.chmod(0o644)
    command = [*run_as(_USER), str(PGBOUNCER.path()), str(configuration)]
    background(stack, command, folder / "log")
    if not wait_until(lambda: port_answers(port), timeout_seconds=10):
        raise RuntimeError(f"PgBouncer does not listen: {(folder / 'log').read_text()}")
    return port
