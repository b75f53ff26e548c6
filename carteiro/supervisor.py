"""Starts programs in order, watches them, restarts what dies, and ends all of them."""

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import psutil

from carteiro import processes
from carteiro.memory import PeakMemory
from carteiro.processes import Command
from core.errors import CarteiroError, ConfigurationError

_TICK_SECONDS = 0.1
_HEALTH_EVERY_SECONDS = 5.0
_MEMORY_EVERY_SECONDS = 1.0
#: A program that ran this long before it died starts its backoff from the beginning.
_STEADY_SECONDS = 60.0
_LONGEST_BACKOFF_SECONDS = 30.0
#: So many deaths before the first readiness mean that it will not come up by itself.
_HOPELESS_AFTER = 3
_LOG_LIMIT_BYTES = 10_000_000


class State(StrEnum):
    """What a program does now."""

    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    UNHEALTHY = "unhealthy"
    RESTARTING = "restarting"
    FINISHED = "finished"
    FAILED = "failed"
    STOPPED = "stopped"


READY = frozenset({State.RUNNING, State.UNHEALTHY, State.FINISHED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One line of the process table.

    `command` is called before each start. `health` says whether it serves; without it, having lived
    `command` is called before each start. `health` says whether it serves; without it, having lived
    for `proven_seconds` counts. `once` programs do their work, end with 0 and are not restarted.
    Names ending in `-<number>` are instances of one program.
    """

    name: str
    command: Callable[[], Command]
    after: tuple[str, ...] = ()
    health: Callable[[], bool] | None = None
    once: bool = False
    address: str = ""
    start_timeout_seconds: float = 90.0
    #: Longer than the imports of any part take: one that cannot be imported never counts as ready.
    proven_seconds: float = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A snapshot of one program; `peak_bytes` is the most memory its process tree has used."""

    name: str
    state: State
    pid: int | None
    restarts: int
    uptime_seconds: float
    peak_bytes: int
    address: str
    reason: str


class StackFailed(CarteiroError):
    """A program did not come up, or keeps dying; `log_file` says why."""

    code = "stack-failed"

    def __init__(self, name: str, reason: str, log_file: Path) -> None:
        super().__init__(f"{name} {reason}; its log is {log_file}")
        self.name = name
        self.log_file = log_file


class _Slot:
    """The mutable side of a program; only the supervisor's thread changes it."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.state = State.WAITING
        self.command: Command | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.retry_at = 0.0
        self.checked_at = 0.0
        self.deaths_in_a_row = 0
        self.restarts = 0
        self.was_ready = False
        self.reason = ""
        self.memory = PeakMemory()


class Supervisor:
    """Runs programs until `stop`; safe to call from any thread.

    All children are started by one thread that lives until `stop` returns: the kernel ties their
    life to the thread that started them.
    """

    def __init__(self, programs: Sequence[Program], *, logs: Path, stack_id: str) -> None:
        self._slots = {program.name: _Slot(program) for program in programs}
        self._logs = logs
        self._stack_id = stack_id
        self._stopping = threading.Event()
        self._lock = threading.RLock()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    def start(self) -> None:
        """Begin; returns at once. See `wait_ready`."""
        for name in self._slots:
            rotate_log(self.log_file(name))
        self._thread.start()

    def wait_ready(self) -> None:
        """Return when every program is ready; StackFailed when one of them will not be."""
        while True:
            statuses = self.statuses()
            if hopeless := next((s for s in statuses if s.state is State.FAILED), None):
                raise StackFailed(hopeless.name, hopeless.reason, self.log_file(hopeless.name))
            if all(status.state in READY for status in statuses):
                return
            if not self.is_alive:
                raise StackFailed("the supervisor", "ended", self._logs)
            time.sleep(_TICK_SECONDS)

    def statuses(self) -> list[Status]:
        """One snapshot a program, in the order of the table."""
        with self._lock:
            return [_snapshot(slot) for slot in self._slots.values()]

    def names(self, name: str) -> list[str]:
        """The instances of a program: `worker` means `worker-1`, `worker-2` ..."""
        found = [n for n in self._slots if n == name or _instance_of(n) == name]
        if not found:
            raise KeyError(f"no program {name}; there are {', '.join(self._slots)}")
        return found

    def pids(self, name: str) -> list[int]:
        """Process ids of the living instances of `name`."""
        with self._lock:
            slots = [self._slots[n] for n in self.names(name)]
            return [s.process.pid for s in slots if s.process and s.process.poll() is None]

    def kill(self, name: str, signal_number: signal.Signals = signal.SIGKILL) -> list[int]:
        """Send a signal to every living instance of `name`; returns their process ids."""
        with self._lock:
            pids = self.pids(name)
            for pid in pids:
                with suppress(psutil.NoSuchProcess):
                    psutil.Process(pid).send_signal(signal_number)
        return pids

    def restart(self, name: str) -> None:
        """Stop the instances of `name` politely; the supervisor starts them again at once."""
        with self._lock:
            for slot in (self._slots[n] for n in self.names(name)):
                if slot.process and slot.command:
                    processes.stop(slot.process, slot.command)
                slot.process = None
                slot.deaths_in_a_row = 0
                slot.state = State.WAITING

    @property
    def is_alive(self) -> bool:
        """False before `start`, after `stop`, and should the watching itself have failed."""
        return self._thread.is_alive()

    def log_file(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def stop(self) -> None:
        """End every program, dependants before what they depend on; nothing is left."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        sampled_at = 0.0
        try:
            while not self._stopping.wait(_TICK_SECONDS):
                with self._lock:
                    for slot in self._slots.values():
                        self._advance(slot)
                if time.monotonic() - sampled_at >= _MEMORY_EVERY_SECONDS:
                    self._sample_memory()
                    sampled_at = time.monotonic()
        finally:
            self._sample_memory()
            self._stop_all()

    def _advance(self, slot: _Slot) -> None:
        now = time.monotonic()
        if slot.process is not None and slot.process.poll() is not None:
            self._note_death(slot, slot.process.returncode, now)
        elif self._is_due(slot, now):
            self._start(slot, now)
        elif slot.state is State.STARTING:
            self._check_start(slot, now)
        elif slot.process is not None and now - slot.checked_at >= _HEALTH_EVERY_SECONDS:
            slot.checked_at = now
            if slot.program.health:
                slot.state = State.RUNNING if slot.program.health() else State.UNHEALTHY

    def _is_due(self, slot: _Slot, now: float) -> bool:
        if slot.state is State.RESTARTING:
            return now >= slot.retry_at
        dependencies = (self._slots[name] for name in slot.program.after)
        return slot.state is State.WAITING and all(each.was_ready for each in dependencies)

    def _start(self, slot: _Slot, now: float) -> None:
        name = slot.program.name
        try:
            slot.command = slot.program.command()
            slot.process = processes.start(
                slot.command, log_file=self.log_file(name), stack_id=self._stack_id
            )
        except (ConfigurationError, OSError) as error:
            slot.state, slot.reason = State.FAILED, f"cannot start: {error}"
            return
        slot.started_at, slot.checked_at = now, now
        slot.state, slot.reason = State.STARTING, ""

    def _check_start(self, slot: _Slot, now: float) -> None:
        age = now - slot.started_at
        health = slot.program.health
        if slot.program.once:
            return
        if (health is None and age >= slot.program.proven_seconds) or (
            health is not None and health()
        ):
            slot.state, slot.was_ready = State.RUNNING, True
        elif age > slot.program.start_timeout_seconds and slot.process and slot.command:
            processes.stop(slot.process, slot.command)
            slot.reason = f"was not ready after {age:.0f} s"

    def _note_death(self, slot: _Slot, status: int, now: float) -> None:
        if slot.process:
            processes.kill_group(slot.process)
        slot.process = None
        if slot.program.once and status == 0:
            slot.state, slot.was_ready = State.FINISHED, True
            return
        slot.reason = slot.reason or f"ended with {describe_exit(status)}"
        slot.deaths_in_a_row = (
            1 if now - slot.started_at > _STEADY_SECONDS else slot.deaths_in_a_row + 1
        )
        hopeless = slot.deaths_in_a_row >= _HOPELESS_AFTER and not slot.was_ready
        if slot.program.once or hopeless:
            slot.state = State.FAILED
            return
        slot.restarts += 1
        slot.state = State.RESTARTING
        delay = 0.25 * 2 ** (slot.deaths_in_a_row - 1)
        slot.retry_at = now + min(delay, _LONGEST_BACKOFF_SECONDS)

    def _sample_memory(self) -> None:
        for slot in self._slots.values():
            if (process := slot.process) is not None:
                slot.memory.sample(process.pid)

    def _stop_all(self) -> None:
        """Wave after wave: whatever no living program depends on goes next."""
        living = {name: slot for name, slot in self._slots.items() if slot.process}
        while living:
            needed = {name for slot in living.values() for name in slot.program.after}
            wave = {name: slot for name, slot in living.items() if name not in needed} or living
            _stop_together(list(wave.values()))
            living = {name: slot for name, slot in living.items() if name not in wave}
        processes.end_marked_processes(self._stack_id, timeout_seconds=5)
        for slot in self._slots.values():
            if slot.state not in {State.FAILED, State.FINISHED}:
                slot.state = State.STOPPED


def describe_exit(status: int) -> str:
    """`status 3`, or the name of the signal that ended the process."""
    return signal.Signals(-status).name if status < 0 else f"status {status}"


def rotate_log(file: Path) -> None:
    """Keep two older logs when the current one has grown beyond 10 MB."""
    if not file.exists() or file.stat().st_size < _LOG_LIMIT_BYTES:
        return
    first, second = file.with_suffix(".log.1"), file.with_suffix(".log.2")
    if first.exists():
        first.replace(second)
    file.replace(first)


def _stop_together(slots: list[_Slot]) -> None:
    pairs = [(slot.process, slot.command) for slot in slots if slot.process and slot.command]
    stoppers = [threading.Thread(target=processes.stop, args=pair) for pair in pairs]
    for stopper in stoppers:
        stopper.start()
    for stopper in stoppers:
        stopper.join()


def _instance_of(name: str) -> str:
    base, _, number = name.rpartition("-")
    return base if number.isdigit() else name


def _snapshot(slot: _Slot) -> Status:
    alive = slot.process is not None and slot.process.poll() is None
    return Status(
        name=slot.program.name,
        state=slot.state,
        pid=slot.process.pid if alive and slot.process else None,
        restarts=slot.restarts,
        uptime_seconds=time.monotonic() - slot.started_at if alive else 0.0,
        peak_bytes=slot.memory.peak_bytes,
        address=slot.program.address,
        reason=slot.reason,
    )
