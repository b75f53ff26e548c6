"""The supervisor, with small programs of our own in place of the rooms."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from carteiro import processes
from carteiro.home import Home, free_port
from carteiro.processes import Command, wait_until
from carteiro.programs import port_answers
from carteiro.supervisor import Program, StackFailed, State, Status, Supervisor, rotate_log

SLEEP = "import time; time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
#: Leaves a grandchild in a session of its own, as Dagster's code server does.
WITH_GRANDCHILD = (
    "import subprocess, sys, time;"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],"
    " start_new_session=True);"
    "time.sleep(600)"
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "with space" / ".carteiro")
    home.prepare()
    return home


def program(name: str, code: str, *, after: tuple[str, ...] = (), once: bool = False) -> Program:
    command = Command(
        argv=(sys.executable, "-c", code),
        environment={"PATH": os.defpath},
        stop_timeout_seconds=1.0,
    )
    return Program(name=name, command=lambda: command, after=after, once=once, proven_seconds=0.4)


@contextmanager
def running(home: Home, *programs: Program) -> Iterator[Supervisor]:
    supervisor = Supervisor(programs, logs=home.logs, stack_id=home.identity())
    supervisor.start()
    try:
        yield supervisor
    finally:
        supervisor.stop()


def status(supervisor: Supervisor, name: str) -> Status:
    return next(status for status in supervisor.statuses() if status.name == name)


def _seconds_until_back(supervisor: Supervisor, name: str) -> float:
    killed = supervisor.kill(name)
    started = time.monotonic()
    assert wait_until(lambda: supervisor.pids(name) not in ([], killed), timeout_seconds=10)
    return time.monotonic() - started


def test_a_program_starts_only_when_what_it_needs_has_been_ready(
    home: Home, tmp_path: Path
) -> None:
    file = tmp_path / "migrated"
    slow = program(
        "migrations", f"import time; time.sleep(0.3); open({str(file)!r}, 'x')", once=True
    )
    needing = program("api", f"open({str(file)!r}); {SLEEP}", after=("migrations",))
    with running(home, needing, slow) as supervisor:
        supervisor.wait_ready()
        assert status(supervisor, "migrations").state is State.FINISHED
        assert status(supervisor, "api").state is State.RUNNING
        assert status(supervisor, "api").restarts == 0


def test_what_dies_is_started_again_with_growing_delay(home: Home) -> None:
    with running(home, program("worker-1", SLEEP), program("worker-2", SLEEP)) as supervisor:
        supervisor.wait_ready()
        before = supervisor.pids("worker")
        killed = supervisor.kill("worker-1", signal.SIGKILL)
        assert killed == before[:1]
        assert wait_until(
            lambda: len(supervisor.pids("worker")) == 2 and supervisor.pids("worker") != before,
            timeout_seconds=10,
        )
        assert status(supervisor, "worker-1").restarts == 1
        assert status(supervisor, "worker-1").reason == ""
        assert supervisor.pids("worker-2") == before[1:]
        times = [_seconds_until_back(supervisor, "worker-1") for _ in range(2)]
        assert times[1] > times[0] > 0.25


def test_a_program_that_never_comes_up_fails_the_stack_and_names_its_log(home: Home) -> None:
    bad = program("api", "import sys; sys.exit('no such table')")
    with running(home, bad, program("worker", SLEEP, after=("api",))) as supervisor:
        with pytest.raises(StackFailed, match="ended with status 1") as failed:
            supervisor.wait_ready()
        assert failed.value.log_file.read_text().count("no such table") == 3
        assert supervisor.pids("worker") == []


def test_a_failed_migration_is_not_tried_again(home: Home) -> None:
    with running(home, program("migrations", "raise SystemExit(3)", once=True)) as supervisor:
        with pytest.raises(StackFailed, match="status 3"):
            supervisor.wait_ready()
        assert status(supervisor, "migrations").restarts == 0


def test_stop_leaves_nothing_even_of_the_stubborn_and_of_grandchildren(home: Home) -> None:
    with running(
        home, program("stubborn", STUBBORN), program("family", WITH_GRANDCHILD)
    ) as supervisor:
        supervisor.wait_ready()
        assert wait_until(
            lambda: len(processes.marked_processes(home.identity())) == 3, timeout_seconds=5
        )
    assert processes.marked_processes(home.identity()) == []
    assert {s.state for s in supervisor.statuses()} == {State.STOPPED}


def test_dependants_end_before_what_they_depend_on(home: Home, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    noting = (
        "import signal, sys, time\n"
        "def end(*_):\n"
        f"    open({str(journal)!r}, 'a').write(sys.argv[1])\n"
        "    sys.exit(0)\n"
        "signal.signal(15, end)\n"
        "time.sleep(600)"
    )

    def noting_program(name: str, *after: str) -> Program:
        command = Command(argv=(sys.executable, "-c", noting, name), environment={})
        return Program(name=name, command=lambda: command, after=after, proven_seconds=0.4)

    with running(
        home, noting_program("a"), noting_program("b", "a"), noting_program("c", "b")
    ) as s:
        s.wait_ready()
    assert journal.read_text() == "cba"


def test_memory_is_the_peak_over_restarts(home: Home) -> None:
    grab = "x = bytearray(80_000_000); del x; " + SLEEP
    with running(home, program("grab", grab)) as supervisor:
        supervisor.wait_ready()
        assert wait_until(
            lambda: status(supervisor, "grab").peak_bytes > 80_000_000, timeout_seconds=5
        )


def test_health_decides_when_a_program_is_ready(home: Home) -> None:
    port = free_port()
    serve = (
        "import time; time.sleep(1.5); import http.server as web;"
        f"web.test(web.BaseHTTPRequestHandler, port={port}, bind='127.0.0.1')"
    )
    command = Command(argv=(sys.executable, "-c", serve), environment={})
    server = Program(name="web", command=lambda: command, health=lambda: port_answers(port))
    with running(home, server) as supervisor:
        assert status(supervisor, "web").state in {State.WAITING, State.STARTING}
        supervisor.wait_ready()
        assert port_answers(port)
    assert not port_answers(port)


@pytest.mark.parametrize("also_the_janitor", [False, True])
def test_nothing_outlives_a_supervisor_that_is_killed(home: Home, also_the_janitor: bool) -> None:
    """With the janitor everything goes; without it the kernel still ends the direct children."""
    code = (
        "import sys, time; sys.path.insert(0, sys.argv[2]);"
        "from pathlib import Path; from carteiro import janitor; from carteiro.home import Home;"
        "from carteiro.supervisor import Supervisor;"
        "from tests.carteiro.test_supervisor import program, SLEEP, WITH_GRANDCHILD;"
        "home = Home(Path(sys.argv[1])); hired = janitor.hire(home.identity());"
        "s = Supervisor([program('a', SLEEP), program('b', WITH_GRANDCHILD)],"
        " logs=home.logs, stack_id=home.identity());"
        "s.start(); s.wait_ready(); print(hired.pid, flush=True); time.sleep(600)"
    )
    root = str(Path(__file__).resolve().parents[2])
    supervisor = subprocess.Popen(
        [sys.executable, "-c", code, str(home.path), root], stdout=subprocess.PIPE, text=True
    )
    assert supervisor.stdout is not None
    with supervisor.stdout:
        janitor_pid = int(supervisor.stdout.readline())
    stack_id = home.identity()
    assert len(processes.marked_processes(stack_id)) == 3
    if also_the_janitor:
        os.kill(janitor_pid, signal.SIGKILL)
    supervisor.kill()
    supervisor.wait()
    survivors = 1 if also_the_janitor else 0
    assert wait_until(
        lambda: len(processes.marked_processes(stack_id)) == survivors, timeout_seconds=15
    )
    # The next start clears what even that left.
    assert processes.end_marked_processes(stack_id) == survivors
    assert processes.marked_processes(stack_id) == []


def test_processes_of_another_stack_are_left_alone(home: Home, tmp_path: Path) -> None:
    other = Home(tmp_path / "other")
    other.prepare()
    with running(other, program("a", SLEEP)) as supervisor:
        supervisor.wait_ready()
        assert processes.end_marked_processes(home.identity()) == 0
        assert psutil.pid_exists(supervisor.pids("a")[0])


def test_a_big_log_is_put_aside_at_start(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    log.write_bytes(b"x" * 10_000_001)
    rotate_log(log)
    assert not log.exists()
    assert (tmp_path / "api.log.1").stat().st_size == 10_000_001
    log.write_text("small")
    rotate_log(log)
    assert log.read_text() == "small"
