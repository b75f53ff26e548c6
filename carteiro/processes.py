"""Starting and ending child processes so that none outlives its supervisor."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

#: Environment variable that every descendant inherits; its value is `Home.identity()`.
MARKER = "CARTEIRO_STACK_ID"

_LAUNCHER = Path(__file__).with_name("launch.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A uid and gid to run as; they need no entry in /etc/passwd."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to execute, as whom, and how it likes to be asked to stop."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path = Path("/")
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_seconds: float = 10.0


def start(command: Command, *, log_file: Path, stack_id: str) -> subprocess.Popen[bytes]:
    """Start `command` in its own session, its output appended to `log_file`.

    On Linux the kernel sends it the stop signal when the thread that called `start` ends, even by
    SIGKILL; call it from a thread that lives as long as the supervisor.
    """
    account = command.account
    ids = (str(account.uid), str(account.gid)) if account else ("-", "-")
    launcher = (sys.executable, "-I", "-S", str(_LAUNCHER))
    with log_file.open("ab") as log:
        return subprocess.Popen(
            [*launcher, str(os.getpid()), str(int(command.stop_signal)), *ids, *command.argv],
            env={**command.environment, MARKER: stack_id},
            cwd=command.directory,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def stop(process: subprocess.Popen[bytes], command: Command) -> bool:
    """Ask the process to end, then kill what is left of its group; True when it obeyed."""
    if process.poll() is None:
        process.send_signal(command.stop_signal)
    polite = True
    try:
        process.wait(command.stop_timeout_seconds)
    except subprocess.TimeoutExpired:
        polite = False
    kill_group(process)
    process.wait()
    return polite


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL the process and every descendant that stayed in its process group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def marked_processes(stack_id: str) -> list[psutil.Process]:
    """Every living descendant of a stack, also of one whose supervisor was killed.

    Excludes the caller and its ancestors.
    """
    mine = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid not in mine and process.environ().get(MARKER) == stack_id:
                found.append(process)
    return found


def end_marked_processes(stack_id: str, *, timeout_seconds: float = 10.0) -> int:
    """End every descendant of a stack, politely first; returns how many there were.

    PostgreSQL gets SIGINT, which is its fast shutdown; SIGTERM would wait for its clients.
    """
    found = marked_processes(stack_id)
    for process in _postmasters_first(found):
        with suppress(psutil.Error):
            is_postgres = process.name() == "postgres"
            process.send_signal(signal.SIGINT if is_postgres else signal.SIGTERM)
    wait_until(lambda: not _alive(found), timeout_seconds=timeout_seconds)
    late = _alive(found) + marked_processes(stack_id)
    for process in late:
        with suppress(psutil.Error):
            process.kill()
    wait_until(lambda: not _alive(late), timeout_seconds=5)
    return len(found)


def is_alive(process: psutil.Process) -> bool:
    """Whether the process still runs; a zombie that nobody has reaped yet does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _alive(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    return [process for process in processes if is_alive(process)]


def wait_until(
    ready: Callable[[], bool], *, timeout_seconds: float, interval_seconds: float = 0.05
) -> bool:
    """Poll `ready` until it is true; False when the time is over."""
    deadline = time.monotonic() + timeout_seconds
    while not ready():
        if time.monotonic() >= deadline:
            return False
        time.sleep(interval_seconds)
    return True


def _postmasters_first(found: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Leave PostgreSQL's backends to their postmaster: a signal to both makes noise in its log."""
    found = list(found)
    pids = {process.pid for process in found}

    def is_backend(process: psutil.Process) -> bool:
        with suppress(psutil.Error):
            return process.name() == "postgres" and process.ppid() in pids
        return False

    return [process for process in found if not is_backend(process)]
