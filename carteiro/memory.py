"""How much memory a program has used at most."""

from contextlib import suppress
from pathlib import Path

import psutil


class PeakMemory:
    """The highest memory of a process tree over the samples taken, over restarts as well.

    Pages that the tree shares (PostgreSQL's buffers) count once. The kernel's own high-water mark
    of the main process is taken too, so that a peak between two samples is not missed.
    """

    def __init__(self) -> None:
        self.peak_bytes = 0

    def sample(self, pid: int) -> None:
        """Look at the process and its descendants now; a vanished process changes nothing."""
        with suppress(psutil.Error, OSError):
            main = psutil.Process(pid)
            sizes = []
            for process in (main, *main.children(recursive=True)):
                with suppress(psutil.Error):
                    memory = process.memory_info()
                    shared = getattr(memory, "shared", 0)
                    sizes.append((memory.rss - shared, shared))
            if sizes:
                now = sum(own for own, _ in sizes) + max(shared for _, shared in sizes)
                self.peak_bytes = max(self.peak_bytes, now, high_water_mark(pid))


def high_water_mark(pid: int) -> int:
    """VmHWM of one process in bytes; 0 where the kernel does not tell."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0
