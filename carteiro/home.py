"""The state folder of one installation: secrets, ports, logs, data of the embedded servers."""

import fcntl
import json
import os
import secrets
import socket
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from core.errors import ConfigurationError

DEFAULT_HOME = ".carteiro"
_ENVIRONMENT = "environment.json"


class Home:
    """A folder, normally `.carteiro/`, that only its owner may read.

    Everything the one-machine stack keeps lives below it, except PostgreSQL's data when the owner
    is root: PostgreSQL refuses to run as root, see `carteiro.postgres`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Home":
        """The folder named by CARTEIRO_HOME, else `.carteiro` in the working directory."""
        return cls(Path(environment.get("CARTEIRO_HOME") or DEFAULT_HOME))

    @property
    def secrets_file(self) -> Path:
        return self.path / "secrets.env"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def lock_file(self) -> Path:
        return self.path / "stack.lock"

    def prepare(self) -> None:
        """Create the folder, mode 0700; refuse one that belongs to somebody else."""
        self.path.mkdir(parents=True, exist_ok=True)
        owner = self.path.stat().st_uid
        if owner != os.geteuid():
            raise ConfigurationError(
                f"{self.path} belongs to uid {owner} and you are uid {os.geteuid()}: "
                "run as its owner, or set CARTEIRO_HOME to a folder of your own"
            )
        self.path.chmod(0o700)
        self.logs.mkdir(exist_ok=True)

    def identity(self) -> str:
        """Twelve random hex digits, made once: marks the processes and data of this folder."""
        file = self.path / "stack-id"
        with suppress(FileExistsError):
            _create_private(file, secrets.token_hex(6))
        return file.read_text().strip()

    def secrets(self) -> dict[str, str]:
        """The generated secrets as CARTEIRO_* variables; made once, file mode 0600."""
        with suppress(FileExistsError):
            _create_private(self.secrets_file, _render(_generate_secrets()))
        return read_env_file(self.secrets_file)

    def port(self, name: str, *, preferred: int) -> int:
        """A free TCP port on 127.0.0.1 for `name`, the same at every start while it stays free."""
        file = self.path / "ports.json"
        ports = self.known_ports()
        reserved = {port for other, port in ports.items() if other != name}
        remembered = ports.get(name, preferred)
        if not (remembered not in reserved and port_is_free(remembered)):
            ports[name] = free_port(avoid=reserved)
        else:
            ports[name] = remembered
        temporary = file.with_suffix(".new")
        temporary.write_text(json.dumps(ports, indent=2) + "\n")
        temporary.replace(file)
        return ports[name]

    def write_environment(self, values: Mapping[str, str]) -> None:
        """Leave the addresses and secrets of the running stack for commands typed elsewhere."""
        file = self.path / _ENVIRONMENT
        file.unlink(missing_ok=True)
        _create_private(file, json.dumps(values, indent=2))

    def running_environment(self) -> dict[str, str]:
        """What `write_environment` left, while that stack runs; else nothing."""
        file = self.path / _ENVIRONMENT
        if self.lock().holder() is None or not file.exists():
            return {}
        values: dict[str, str] = json.loads(file.read_text())
        return values

    def known_ports(self) -> dict[str, int]:
        """The ports given out so far, by name."""
        file = self.path / "ports.json"
        ports: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
        return ports

    def lock(self) -> "StackLock":
        return StackLock(self.lock_file)


class StackLock:
    """Says whether a supervisor runs on this home; the kernel releases it however that one dies."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lock and write our process id into it; False when another process holds it."""
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def holder(self) -> int | None:
        """Process id of the running supervisor, or None when nobody holds the lock."""
        if not self._file.exists():
            return None
        with self._file.open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read() or 0) or None
        return None


def read_env_file(path: Path) -> dict[str, str]:
    """Read NAME=value lines; no quoting, comments start with #."""
    pairs = (
        line.split("=", 1)
        for line in path.read_text().splitlines()
        if "=" in line and not line.startswith("#")
    )
    return {name.strip(): value.strip() for name, value in pairs}


def port_is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:`port` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port(*, avoid: set[int] | frozenset[int] = frozenset()) -> int:
    """A port nobody listens on now, outside `avoid`.

    Searched below the kernel's range for outgoing connections (32768 and up on Linux), so that an
    unrelated client socket does not take it between two starts.
    """
    for _ in range(200):
        port = 20_000 + secrets.randbelow(12_000)
        if port not in avoid and port_is_free(port):
            return port
    raise ConfigurationError("no free TCP port on 127.0.0.1 between 20000 and 32000")


def _generate_secrets() -> dict[str, str]:
    return {
        "CARTEIRO_SECRET_KEY": b64encode(secrets.token_bytes(32)).decode(),
        "CARTEIRO_META_APP_SECRET": secrets.token_hex(16),
        "CARTEIRO_META_VERIFY_TOKEN": secrets.token_urlsafe(24),
        "CARTEIRO_EMBEDDED_POSTGRES_PASSWORD": secrets.token_urlsafe(24),
        "CARTEIRO_EMBEDDED_VALKEY_PASSWORD": secrets.token_urlsafe(24),
    }


def _render(values: Mapping[str, str]) -> str:
    header = "# Made by carteiro for this folder. Whoever reads it can read every tenant's data.\n"
    return header + "".join(f"{name}={value}\n" for name, value in values.items())


def _create_private(path: Path, text: str) -> None:
    """Create the file with mode 0600, whole or not at all; FileExistsError when it is there."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        os.link(temporary, path)
    finally:
        temporary.unlink()
