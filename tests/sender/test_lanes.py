"""Lanes of the notifier: claims ahead for endpoints that answer, none for those that do not."""

from collections import Counter
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from core.domain.ids import TenantId
from core.store.deliveries import Claimed, EndpointKey
from sender.notifier.lanes import STALE_SECONDS, Lanes

NOW = datetime(2026, 11, 24, tzinfo=UTC)
CALLS = 4


class Watch:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def key_of(endpoint: int) -> EndpointKey:
    return TenantId(UUID(int=1)), UUID(int=endpoint)


def claim(event: int, endpoint: int = 1) -> Claimed:
    tenant_id, endpoint_id = key_of(endpoint)
    return Claimed(
        tenant_id=tenant_id,
        endpoint_id=endpoint_id,
        event_id=UUID(int=event),
        fence=1,
        due_at=NOW,
        failures=0,
        give_up_at=NOW,
        event_type="message.sent",
        occurred_at=NOW,
        data={},
    )


def begun(lanes: Lanes, endpoint: int = 1) -> list[int]:
    """The events whose calls begin now."""
    found = []
    while (work := lanes.begin(key_of(endpoint))) is not None:
        found.append(work[0].event_id.int)
    return found


def test_an_endpoint_has_no_more_calls_than_its_own_and_the_others_wait_in_their_order() -> None:
    lanes = Lanes(CALLS)
    lanes.add((claim(event), None) for event in range(1, 11))
    assert begun(lanes) == [1, 2, 3, 4]
    lanes.end(key_of(1), seconds=0.01, succeeded=True)
    assert begun(lanes) == [5]


def test_the_window_opens_with_every_success_as_far_as_the_answers_take_a_second() -> None:
    lanes = Lanes(CALLS)
    lanes.add((claim(event), None) for event in range(1, 1_001))
    assert lanes.windows() == {key_of(1): CALLS}
    for _ in range(1_000):
        assert lanes.begin(key_of(1)) is not None
        lanes.end(key_of(1), seconds=0.1, succeeded=True)
    assert lanes.windows() == {key_of(1): CALLS * 10}
    slow = Lanes(CALLS)
    slow.add((claim(event), None) for event in range(1, 101))
    for _ in range(100):
        slow.begin(key_of(1))
        slow.end(key_of(1), seconds=4, succeeded=True)
    assert slow.windows() == {key_of(1): CALLS}


def test_a_failure_closes_the_window_and_what_waits_can_be_given_back() -> None:
    lanes = Lanes(CALLS)
    lanes.add((claim(event), None) for event in range(1, 21))
    for _ in range(8):
        lanes.begin(key_of(1))
        lanes.end(key_of(1), seconds=0.01, succeeded=True)
    assert lanes.windows() == {key_of(1): CALLS + 8}
    assert begun(lanes) == [9, 10, 11, 12]
    lanes.end(key_of(1), seconds=0.01, succeeded=False)
    assert lanes.windows() == {key_of(1): CALLS}
    assert [each.event_id.int for each in lanes.give_back(key_of(1))] == list(range(13, 21))
    assert begun(lanes) == []


def test_what_waits_for_an_endpoint_that_has_become_slow_goes_back_and_no_other() -> None:
    watch = Watch()
    lanes = Lanes(CALLS, clock=watch)
    lanes.add((claim(event), None) for event in range(1, 11))
    begun(lanes)
    watch.now += STALE_SECONDS - 1
    lanes.add((claim(event, 2), None) for event in range(21, 31))
    begun(lanes, 2)
    assert lanes.give_back_stale() == []
    watch.now += 1.5
    lanes.end(key_of(1), seconds=3, succeeded=True)
    assert begun(lanes) == []
    assert [each.event_id.int for each in lanes.give_back_stale()] == list(range(5, 11))
    lanes.end(key_of(2), seconds=0.1, succeeded=True)
    assert begun(lanes, 2) == [25]


def test_idle_lanes_are_forgotten() -> None:
    lanes = Lanes(CALLS)
    for endpoint in range(100):
        lanes.add([(claim(endpoint, endpoint), None)])
        begun(lanes, endpoint)
        lanes.end(key_of(endpoint), seconds=1, succeeded=False)
    assert len(lanes.windows()) == 100
    assert lanes.give_back_stale() == []
    assert lanes.windows() == {}


class AnyOrder(RuleBasedStateMachine):
    """Claims, calls, answers and waits of three endpoints in any order."""

    endpoints = st.integers(1, 3)

    def __init__(self) -> None:
        super().__init__()
        self.watch = Watch()
        self.lanes = Lanes(CALLS, clock=self.watch)
        self.added = 0
        self.seen = Counter[UUID]()
        self.calls = Counter[int]()

    @rule(endpoint=endpoints, count=st.integers(1, 12))
    def add(self, endpoint: int, count: int) -> None:
        self.lanes.add((claim(self.added + n, endpoint), None) for n in range(count))
        self.added += count

    @rule(endpoint=endpoints)
    def begin(self, endpoint: int) -> None:
        events = begun(self.lanes, endpoint)
        self.seen.update(UUID(int=event) for event in events)
        self.calls[endpoint] += len(events)

    @rule(endpoint=endpoints, seconds=st.floats(0, 20), succeeded=st.booleans())
    def end(self, endpoint: int, seconds: float, succeeded: bool) -> None:
        if not self.calls[endpoint]:
            return
        self.calls[endpoint] -= 1
        self.lanes.end(key_of(endpoint), seconds=seconds, succeeded=succeeded)
        if not succeeded:
            self.note(self.lanes.give_back(key_of(endpoint)))

    @rule(seconds=st.floats(0, 10))
    def wait(self, seconds: float) -> None:
        self.watch.now += seconds
        self.note(self.lanes.give_back_stale())

    def note(self, claims: list[Claimed]) -> None:
        self.seen.update(each.event_id for each in claims)

    @invariant()
    def bounds_hold(self) -> None:
        assert all(count <= CALLS for count in self.calls.values())
        assert all(window >= CALLS for window in self.lanes.windows().values())
        assert set(self.seen.values()) <= {1}

    def teardown(self) -> None:
        self.note(self.lanes.give_back_all())
        assert len(self.seen) == self.added
        assert set(self.seen.values()) <= {1}


TestEveryClaimIsCalledOnceOrGivenBackOnce = AnyOrder.TestCase
