"""Running a stack in the foreground: show it, wait for a signal, end it."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from carteiro import processes
from carteiro.display import Display
from carteiro.home import Home
from carteiro.programs import sender_programs
from carteiro.stack import Stack
from carteiro.supervisor import READY, StackFailed, State, Status, Supervisor

_LOOK_SECONDS = 0.25
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_in_foreground(home: Home, *, workers: int, dagster: bool) -> int:
    """Run the stack until a signal; returns the exit status, 1 when it could not come up."""
    console = Console()
    wanted = _stop_on_signals(home)
    stack = Stack(home, workers=workers, dagster=dagster)
    ready_file = home.path / "ready"
    ready_file.unlink(missing_ok=True)
    stack.start()
    try:
        return _watch(stack.supervisor, wanted, console, lambda: _announce(stack, ready_file))
    finally:
        console.print("stopping ...")
        stack.stop()
        ready_file.unlink(missing_ok=True)


def run_sender(home: Home, *, workers: int) -> int:
    """Run every part of the sender with the caller's own settings until a signal."""
    home.prepare()
    wanted = _stop_on_signals(home)
    programs = sender_programs(environment=dict(os.environ), directory=Path.cwd(), workers=workers)
    supervisor = Supervisor(programs, logs=home.logs, stack_id=f"{home.identity()}-{os.getpid()}")
    supervisor.start()
    try:
        return _watch(supervisor, wanted, Console(), lambda: "")
    finally:
        supervisor.stop()


def _watch(
    supervisor: Supervisor,
    wanted: threading.Event,
    console: Console,
    announce: Callable[[], str],
) -> int:
    announced = False
    with Display(console) as display:
        while not wanted.wait(_LOOK_SECONDS):
            statuses = supervisor.statuses()
            display.show(statuses)
            if not supervisor.is_alive:
                return 1
            if not announced and all(status.state in READY for status in statuses):
                announced = True
                console.print(announce())
            if failed := _first_failed(statuses):
                error = StackFailed(failed.name, failed.reason, supervisor.log_file(failed.name))
                sys.stderr.write(f"carteiro: {error}\n")
                return 1
    return 0


def _first_failed(statuses: list[Status]) -> Status | None:
    return next((status for status in statuses if status.state is State.FAILED), None)


def _announce(stack: Stack, ready_file: Path) -> str:
    """Say, and leave for `up --detach`, where everything is."""
    addresses = {s.name: s.address for s in stack.statuses() if s.address.startswith("http")}
    lines = [f"{name}: {address}" for name, address in addresses.items()]
    if "api" in addresses:
        lines.append(f"API documentation: {addresses['api']}/docs")
    text = "\n".join(["ready", *lines])
    temporary = ready_file.with_suffix(".new")
    temporary.write_text(text + "\n")
    temporary.replace(ready_file)
    return text


def _stop_on_signals(home: Home) -> threading.Event:
    """An event that Ctrl-C, SIGTERM and a closed terminal set; a second signal ends at once."""
    wanted = threading.Event()

    def stop(_number: int, _frame: object) -> None:
        if wanted.is_set():
            processes.end_marked_processes(home.identity(), timeout_seconds=0)
        wanted.set()

    for number in _STOP_SIGNALS:
        signal.signal(number, stop)
    return wanted
