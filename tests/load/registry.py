"""What a benchmark is: a function that measures our values and its peer's in the same run."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.load.stage import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A row of the table, in `unit`; `target` is what we design for, None when we promise nothing.

    `peer` says in words what it is compared with. More is better, unless `less_is_better`.
    """

    name: str
    unit: str
    target: float | None
    peer: str | None
    less_is_better: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What one run measured. `peer_value` is None when nobody else does this."""

    value: float
    peer_value: float | None
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A promise with what was measured."""

    promise: Promise
    figure: Figure

    @property
    def ratio(self) -> float | None:
        """How many times better than the peer we are."""
        ours, theirs = self.figure.value, self.figure.peer_value
        if not ours or not theirs:
            return None
        return round(theirs / ours if self.promise.less_is_better else ours / theirs, 2)


Measure = Callable[["Stage"], tuple[Figure, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """One run that yields a figure for each of its promises, in their order."""

    promises: tuple[Promise, ...]
    seconds: int
    measure: Measure

    @property
    def name(self) -> str:
        """The name of its first row."""
        return self.promises[0].name

    def run(self, stage: "Stage") -> list[Row]:
        """Measure; raises whatever kept it from measuring."""
        figures = self.measure(stage)
        return [
            Row(promise=promise, figure=figure)
            for promise, figure in zip(self.promises, figures, strict=True)
        ]


_REGISTERED: Final[dict[str, Benchmark]] = {}


def benchmark(
    name: str,
    *,
    unit: str,
    target: float | None,
    peer: str | None,
    seconds: int,
) -> Callable[[Callable[["Stage"], Figure]], Callable[["Stage"], Figure]]:
    """Add a row to `make bench`: decorate the function that measures it.

    It gets a Stage (servers, folders, progress) and returns a Figure, or raises: a benchmark that
    could not run is an error, never a row. `seconds` is about how long it takes.
    """
    promise = Promise(name=name, unit=unit, target=target, peer=peer)

    def register(measure: Callable[["Stage"], Figure]) -> Callable[["Stage"], Figure]:
        _add(Benchmark(promises=(promise,), seconds=seconds, measure=lambda at: (measure(at),)))
        return measure

    return register


def benchmarks(*promises: Promise, seconds: int) -> Callable[[Measure], Measure]:
    """Add several rows that one run measures; its figures come in the order of the promises."""

    def register(measure: Measure) -> Measure:
        _add(Benchmark(promises=promises, seconds=seconds, measure=measure))
        return measure

    return register


def _add(one: Benchmark) -> None:
    taken = {promise.name for other in _REGISTERED.values() for promise in other.promises}
    for promise in one.promises:
        if promise.name in taken:
            raise ValueError(f"two rows are called {promise.name!r}")
    _REGISTERED[one.name] = one


def all_benchmarks() -> list[Benchmark]:
    """Every benchmark of this package, by name; importing its modules registers them."""
    package = importlib.import_module("tests.load")
    for module in pkgutil.iter_modules(package.__path__):
        if module.name != "__main__":
            importlib.import_module(f"tests.load.{module.name}")
    return [_REGISTERED[name] for name in sorted(_REGISTERED)]
