"""The responder as a process, and whether it is fast enough to measure against."""

import json
import urllib.request
from dataclasses import dataclass

import psutil

from tests.load.stage import OTHERS, Stage, cpu_seconds
from tests.support.settings import free_port

#: Slower than this it would be part of what is measured.
_LEAST_PER_SECOND = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stub:
    """A running responder."""

    url: str
    process: psutil.Process

    def taken(self) -> int:
        """Sends it took since it started."""
        with urllib.request.urlopen(f"{self.url}/count", timeout=10) as answer:
            return int(json.load(answer)["count"])


def start_stub(stage: Stage) -> Stub:
    """A responder on the core of the others."""
    port = free_port()
    process = stage.start("responder", ["-m", "tests.load.responder", str(port)], core=OTHERS)
    stub = Stub(url=f"http://127.0.0.1:{port}", process=process)
    stage.wait_for(lambda: _answers(stub), 30)
    return stub


def _answers(stub: Stub) -> bool:
    try:
        return stub.taken() >= 0
    except OSError:
        return False


class StubWatch:
    """What the responder could have taken, by the CPU time it needed for what it took."""

    def __init__(self, stub: Stub) -> None:
        self._stub = stub
        self._taken, self._cpu = stub.taken(), cpu_seconds([stub.process])

    def capacity(self) -> int:
        """Requests a second, had it been busy all the time."""
        taken = self._stub.taken() - self._taken
        return int(taken / max(cpu_seconds([self._stub.process]) - self._cpu, 0.01))

    def require_capacity(self) -> None:
        """Raises RuntimeError when the stub itself was part of what was measured."""
        if self.capacity() < _LEAST_PER_SECOND:
            raise RuntimeError(f"the responder manages only {self.capacity()} requests/s")
