"""A lane for each endpoint: what is claimed for it waits here for one of its few calls.

A claim costs the database a transaction, a call costs the endpoint a place: an endpoint that
answers at once gets more claims than calls, so that it never waits for the database. How many is
learnt from its answers, from none ahead: one that hangs or fails has claims for its calls only,
and its waiting claims go back, so that another process or a later hour can have them.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from core.store.deliveries import Claimed, EndpointKey, Target

AHEAD_SECONDS: Final = 1.0
"""Claimed ahead is what its calls get done in this time: that long a killed process delays it."""
STALE_SECONDS: Final = 3.0
"""What has waited so long goes back: its endpoint has become slow, and others want the slots."""
_SMOOTHING: Final = 0.1

Work = tuple[Claimed, Target | None]


@dataclass(slots=True)
class _Lane:
    window: float
    #: With the moment of the claim, by the monotonic clock.
    waiting: deque[tuple[float, Work]] = field(default_factory=deque)
    calls: int = 0
    seconds: float | None = None


class Lanes:
    """Which claim is called next, and how many an endpoint may have. Pure but for the clock."""

    def __init__(self, calls: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`calls`: of one endpoint at once."""
        self._calls = calls
        self._clock = clock
        self._lanes: dict[EndpointKey, _Lane] = {}

    def windows(self) -> Mapping[EndpointKey, int]:
        """How many claims an endpoint may have, called or waiting; absent: its calls."""
        return {key: int(lane.window) for key, lane in self._lanes.items()}

    def add(self, work: Iterable[Work]) -> set[EndpointKey]:
        """Take claims in; returns whose they are."""
        now, keys = self._clock(), set()
        for claimed, target in work:
            key = (claimed.tenant_id, claimed.endpoint_id)
            lane = self._lanes.setdefault(key, _Lane(window=self._calls))
            lane.waiting.append((now, (claimed, target)))
            keys.add(key)
        return keys

    def begin(self, key: EndpointKey) -> Work | None:
        """What to call now, if the endpoint has a call free and something fresh waits."""
        lane = self._lanes.get(key)
        if lane is None or not lane.waiting or lane.calls >= self._calls:
            return None
        if self._clock() - lane.waiting[0][0] > STALE_SECONDS:
            return None
        lane.calls += 1
        return lane.waiting.popleft()[1]

    def end(self, key: EndpointKey, *, seconds: float, succeeded: bool) -> None:
        """A call is over: the endpoint's window opens by its successes, a failure closes it."""
        lane = self._lanes[key]
        lane.calls -= 1
        if not succeeded:
            lane.window, lane.seconds = self._calls, None
            return
        before = seconds if lane.seconds is None else lane.seconds
        lane.seconds = before + _SMOOTHING * (seconds - before)
        most = self._calls * max(1.0, AHEAD_SECONDS / max(lane.seconds, 0.001))
        lane.window = max(self._calls, min(lane.window + 1, most))

    def give_back(self, key: EndpointKey) -> list[Claimed]:
        """Everything that waits for the endpoint, taken out."""
        lane = self._lanes[key]
        given = [claimed for _, (claimed, _) in lane.waiting]
        lane.waiting.clear()
        return given

    def give_back_stale(self) -> list[Claimed]:
        """What waits for too long; lanes without anything are forgotten when they are idle."""
        limit, stale = self._clock() - STALE_SECONDS, []
        for key, lane in list(self._lanes.items()):
            if lane.waiting and lane.waiting[0][0] < limit:
                stale += self.give_back(key)
                lane.window, lane.seconds = self._calls, None
            if not lane.waiting and not lane.calls and lane.window <= self._calls:
                del self._lanes[key]
        return stale

    def give_back_all(self) -> list[Claimed]:
        """Everything that waits, at the end of the process."""
        return [claimed for key in list(self._lanes) for claimed in self.give_back(key)]
