"""PostgreSQL addresses: every address we hand on is a URL, the form all our drivers take.

libpq, psycopg, SQLAlchemy, ADBC and DuckDB agree on URLs only when unusual parts (socket folders,
several hosts, `options`) sit percent-encoded in the query, so this module always writes them there.
"""

from collections.abc import Mapping
from enum import StrEnum
from urllib.parse import quote

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from core.errors import ConfigurationError


class DatabaseRole(StrEnum):
    """Which rights a connection has; each is a PostgreSQL role named `carteiro_<role>`."""

    OWNER = "owner"
    MIGRATOR = "migrator"
    APP = "app"
    WORKER = "worker"
    DATA = "data"
    OPERATOR = "operator"
    READONLY = "readonly"

    @property
    def role_name(self) -> str:
        """The name of the role in PostgreSQL."""
        return f"carteiro_{self.value}"


def parse_dsn(dsn: str) -> dict[str, str]:
    """The parts of a libpq address, in URL or key=value form; only those that are written in it.

    Raises ConfigurationError, without quoting the address, for it may hold a password.
    """
    try:
        parts = conninfo_to_dict(_without_driver(dsn))
    except ProgrammingError:
        # libpq's own text quotes the address.
        raise ConfigurationError("a PostgreSQL address cannot be parsed") from None
    return {key: str(value) for key, value in parts.items() if value is not None}


def with_role(dsn: str, role: DatabaseRole) -> str:
    """The same address, acting as `carteiro_<role>` in UTC from a session's first statement."""
    parts = parse_dsn(dsn)
    options = (parts.get("options", ""), f"-c role={role.role_name} -c timezone=UTC")
    return write_url({**parts, "options": " ".join(option for option in options if option)})


def with_database_suffix(dsn: str, suffix: str) -> str:
    """The same server, another database: its name with `suffix` appended."""
    parts = parse_dsn(dsn)
    name = parts.get("dbname") or parts.get("user")
    if not name:
        raise ConfigurationError("the PostgreSQL address names no database")
    return write_url({**parts, "dbname": name + suffix})


def write_url(parts: Mapping[str, str]) -> str:
    """A `postgresql://` URL of these parts; sockets and lists of hosts go into its query."""
    rest = dict(parts)
    user, password = rest.pop("user", None), rest.pop("password", None)
    authority = "" if user is None else quote(user, safe="")
    if password is not None:
        authority += ":" + quote(password, safe="")
    if authority:
        authority += "@"
    if _is_plain_host(rest.get("host")) and "," not in rest.get("port", ""):
        authority += _bracketed(rest.pop("host"))
        port = rest.pop("port", None)
        authority += f":{port}" if port else ""
    path = "/" + quote(rest.pop("dbname", ""), safe="")
    query = "&".join(f"{key}={quote(value, safe='')}" for key, value in sorted(rest.items()))
    return f"postgresql://{authority}{path}" + (f"?{query}" if query else "")


def for_sqlalchemy(dsn: str, *, driver: str) -> str:
    """The URL with SQLAlchemy's driver named, for example `psycopg` (3) or `psycopg2`."""
    return write_url(parse_dsn(dsn)).replace("postgresql://", f"postgresql+{driver}://", 1)


def _without_driver(dsn: str) -> str:
    scheme, separator, rest = dsn.partition("://")
    return f"{scheme.split('+')[0]}{separator}{rest}" if separator else dsn


def _is_plain_host(host: str | None) -> bool:
    return bool(host) and not any(mark in str(host) for mark in ("/", ",", "@"))


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else quote(host, safe="")
