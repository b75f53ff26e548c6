"""How the memory of processes moves while they work: one sample a second from a thread."""

import statistics
import threading
from collections import defaultdict
from collections.abc import Mapping

import psutil

_MEGABYTE = 1024 * 1024


class MemoryWatch:
    """Samples resident memory until the block ends."""

    def __init__(self, processes: Mapping[str, psutil.Process]) -> None:
        """Nothing is sampled yet."""
        self._processes = processes
        self._bytes: dict[str, list[int]] = defaultdict(list)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> "MemoryWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(1.0):
            for name, process in self._processes.items():
                self._bytes[name].append(process.memory_info().rss)

    def growth_percent(self) -> dict[str, float]:
        """From the second quarter of the time to the last one, medians; the first is warming up."""
        return {name: _growth(samples) for name, samples in self._bytes.items()}

    def megabytes(self) -> dict[str, int]:
        """The most that each held."""
        return {name: max(samples) // _MEGABYTE for name, samples in self._bytes.items()}


def _growth(samples: list[int]) -> float:
    quarter = max(len(samples) // 4, 1)
    before = statistics.median(samples[quarter : 2 * quarter] or samples)
    after = statistics.median(samples[-quarter:])
    return (after / before - 1) * 100
