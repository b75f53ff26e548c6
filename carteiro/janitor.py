"""Ends a stack whose supervisor was killed before it could.

The supervisor holds the writing end of our standard input and says `done` on it when it has stopped
everything itself. An end of file without that word means it died: then every process that carries
the stack's mark is ended, also grandchildren the kernel's parent-death signal does not reach.
"""

import signal
import subprocess
import sys

from carteiro.processes import end_marked_processes

_DONE = b"done"


def hire(stack_id: str) -> "Janitor":
    """Start the watching process; call `dismiss` on the result after an orderly stop."""
    process = subprocess.Popen(
        [sys.executable, "-m", "carteiro.janitor", stack_id],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    return Janitor(process)


class Janitor:
    """The supervisor's handle on the watching process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    def dismiss(self) -> None:
        """Say that nothing is left to clean, and wait for the process to end."""
        try:
            self._process.communicate(_DONE, timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def main() -> None:
    """Wait for the word or the end of the supervisor."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    if sys.stdin.buffer.read() != _DONE:
        end_marked_processes(sys.argv[1])


if __name__ == "__main__":
    main()
