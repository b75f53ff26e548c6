"""Who goes next: deficit round robin over tenants, then over their campaigns or numbers.

Pure arithmetic. A message costs one token whoever sends it, so a deficit is no more than what is
left of a turn; it is carried on from call to call.
"""

from collections import deque
from collections.abc import Hashable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from core.domain.ids import TenantId

QUANTUM: Final = 20
"""Messages of one turn of a campaign: few enough to be fair, enough to fill a ticket."""
SINGLES_QUANTUM: Final = 5
"""Messages of one turn among singles: a lone one waits for a few of everybody else's at most."""
_REMEMBERED: Final = 50_000

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow(Generic[K]):
    """Messages that wait: of one campaign, or the singles of one number.

    `budgets` names what else bounds them: their number's tokens, their portfolio's head-room.
    """

    key: K
    tenant_id: TenantId
    waiting: int
    budgets: tuple[str, ...] = ()


@dataclass(slots=True)
class _Turns(Generic[K]):
    """Whose turn it is: whoever had the last one longest ago, and what is left of theirs.

    Those who have nothing waiting for a while keep their place, and come back to at most one turn.
    """

    quantum: int
    _clock: int = 0
    _ended_at: dict[K, int] = field(default_factory=dict)
    _left: dict[K, int] = field(default_factory=dict)

    def line_up(self, present: Iterable[K]) -> deque[K]:
        """Those present in the order of their turns."""
        return deque(sorted(present, key=lambda key: self._ended_at.get(key, 0)))

    def left(self, key: K) -> int:
        """What is left of a turn."""
        return self._left.get(key, self.quantum)

    def spend(self, key: K, count: int) -> bool:
        """Take from a turn; whether that used it up."""
        self._left[key] = self.left(key) - count
        if self._left[key] > 0:
            return False
        self.end(key)
        return True

    def end(self, key: K) -> None:
        """The turn is over, if it had begun: the next one is behind everybody else's."""
        if self._left.pop(key, None) is None:
            return
        self._clock += 1
        self._ended_at[key] = self._clock

    def forget_all_but(self, present: Iterable[K]) -> None:
        """Keep what a long-lived process remembers small."""
        if len(self._ended_at) > _REMEMBERED:
            kept = set(present)
            self._ended_at = {key: at for key, at in self._ended_at.items() if key in kept}
        if len(self._left) > _REMEMBERED:
            self._left = {}


@dataclass(slots=True)
class FairShare(Generic[K]):
    """Divides what may go out now; whoever waits gets a turn in every round, however many wait.

    Bound: of two tenants that both have messages waiting, and that nothing else holds back, neither
    gets more than two turns ahead of the other; likewise two campaigns of one tenant.
    """

    quantum: int = QUANTUM
    _tenants: _Turns[TenantId] = field(init=False)
    _flows: _Turns[K] = field(init=False)

    def __post_init__(self) -> None:
        self._tenants, self._flows = _Turns(self.quantum), _Turns(self.quantum)

    def share(
        self, capacity: int, flows: Sequence[Flow[K]], budgets: Mapping[str, int]
    ) -> dict[K, int]:
        """How many messages of each flow go out: at most `capacity` in all, and no budget more.

        Nothing is held back that could go. A flow may only name budgets that are given.
        """
        waiting = {flow.key: flow for flow in flows}
        lines = self._line_up(flows)
        tenants = self._tenants.line_up(lines)
        left, shares, rest = capacity, dict[K, int](), dict(budgets)
        while left > 0 and tenants:
            tenant_id = tenants[0]
            allowed = min(left, self._tenants.left(tenant_id))
            given = self._serve(lines[tenant_id], waiting, allowed, rest, shares)
            left -= given
            if given and self._tenants.spend(tenant_id, given):
                tenants.rotate(-1)
            if given < allowed:
                # Its messages or its budgets are used up. Who only lacks a budget keeps the turn:
                # else two campaigns of a slow number would end theirs at the first token.
                tenants.popleft()
        for flow in flows:
            if shares.get(flow.key, 0) >= flow.waiting:
                self._flows.end(flow.key)
        self._tenants.forget_all_but(lines)
        self._flows.forget_all_but(waiting)
        return shares

    def _serve(
        self,
        line: deque[K],
        waiting: Mapping[K, Flow[K]],
        allowed: int,
        rest: MutableMapping[str, int],
        shares: dict[K, int],
    ) -> int:
        """Give a tenant up to `allowed` tokens; less means that it can use no more."""
        given = 0
        while given < allowed and line:
            flow = waiting[line[0]]
            unserved = flow.waiting - shares.get(flow.key, 0)
            possible = min([unserved, *(rest[name] for name in flow.budgets)])
            if possible <= 0:
                line.popleft()
                continue
            count = min(allowed - given, self._flows.left(flow.key), possible)
            shares[flow.key] = shares.get(flow.key, 0) + count
            for name in flow.budgets:
                rest[name] -= count
            given += count
            if self._flows.spend(flow.key, count):
                line.rotate(-1)
        return given

    def _line_up(self, flows: Sequence[Flow[K]]) -> dict[TenantId, deque[K]]:
        by_tenant: dict[TenantId, list[K]] = {}
        for flow in flows:
            by_tenant.setdefault(flow.tenant_id, []).append(flow.key)
        return {tenant_id: self._flows.line_up(keys) for tenant_id, keys in by_tenant.items()}
