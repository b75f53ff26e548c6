"""What a benchmark is: a function that measures our value and its peer's in the same run."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.load.stage import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What one run measured. `peer_value` is None when nobody else does this."""

    value: float
    peer_value: float | None
    note: str


Measure = Callable[["Stage"], Figure]


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """A row of the table: more is better, in `unit`; `target` is what we design for."""

    name: str
    unit: str
    target: float | None
    peer: str
    measure: Measure


_REGISTERED: Final[dict[str, Benchmark]] = {}


def benchmark(
    name: str, *, unit: str, target: float | None, peer: str
) -> Callable[[Measure], Measure]:
    """Add a row to `make bench`: decorate the function that measures it.

    It gets a Stage (servers, folders, progress) and returns a Figure, or raises: a benchmark that
    could not run is an error, never a row. `peer` says in words what it is compared with.
    """

    def register(measure: Measure) -> Measure:
        if name in _REGISTERED:
            raise ValueError(f"two benchmarks are called {name!r}")
        _REGISTERED[name] = Benchmark(
            name=name, unit=unit, target=target, peer=peer, measure=measure
        )
        return measure

    return register


def all_benchmarks() -> list[Benchmark]:
    """Every benchmark of this package, by name; importing its modules registers them."""
    package = importlib.import_module("tests.load")
    for module in pkgutil.iter_modules(package.__path__):
        if module.name != "__main__":
            importlib.import_module(f"tests.load.{module.name}")
    return [_REGISTERED[name] for name in sorted(_REGISTERED)]
