"""Experiments: arms of a campaign compared with honest uncertainty. Pure arithmetic."""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

_CONFIDENCE: Final = 0.95
_Z: Final = NormalDist().inv_cdf(1 - (1 - _CONFIDENCE) / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """`hits` of `total`, with the 95 % interval of the true share; None of nothing."""

    hits: int
    total: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The observed share."""
        return self.hits / self.total if self.total else 0.0


def share_of(hits: int, total: int) -> Share:
    """A share with its Wilson score interval (Wilson 1927), which also holds for few or no hits."""
    if total <= 0:
        return Share(hits=0, total=0, low=0.0, high=1.0)
    observed, square = hits / total, _Z * _Z
    middle = (observed + square / (2 * total)) / (1 + square / total)
    spread = (
        _Z
        * math.sqrt(observed * (1 - observed) / total + square / (4 * total * total))
        / (1 + square / total)
    )
    low = 0.0 if hits == 0 else max(0.0, middle - spread)
    high = 1.0 if hits == total else min(1.0, middle + spread)
    return Share(hits=hits, total=total, low=low, high=high)


def differs(one: Share, other: Share) -> bool:
    """Whether two arms' shares differ at 95 % confidence (two-proportion z-test, pooled)."""
    if not one.total or not other.total:
        return False
    pooled = (one.hits + other.hits) / (one.total + other.total)
    variance = pooled * (1 - pooled) * (1 / one.total + 1 / other.total)
    return variance > 0 and abs(one.value - other.value) / math.sqrt(variance) > _Z
