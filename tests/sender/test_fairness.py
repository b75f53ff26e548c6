"""Who goes next: work conserving, bounded unfairness, no starvation, never above a budget."""

from collections import Counter
from dataclasses import dataclass
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from core.domain.ids import TenantId
from sender.pacer.fairness import QUANTUM, SINGLES_QUANTUM, FairShare, Flow


@dataclass(frozen=True, slots=True)
class Tick:
    """What one tick meets: capacity, what waits by (tenant, campaign), tokens by number."""

    capacity: int
    waiting: dict[tuple[int, int], int]
    tokens: dict[int, int]


def tenant(number: int) -> TenantId:
    return TenantId(UUID(int=number))


def flow(tenant_no: int, campaign: int, waiting: int, *budgets: str) -> Flow[tuple[int, int]]:
    return Flow(
        key=(tenant_no, campaign), tenant_id=tenant(tenant_no), waiting=waiting, budgets=budgets
    )


KEYS = st.tuples(st.integers(0, 3), st.integers(0, 4))
TICKS = st.lists(
    st.builds(
        Tick,
        st.integers(0, 200),
        st.dictionaries(KEYS, st.integers(1, 120), max_size=10),
        # A number for each pair of a tenant's campaigns.
        st.fixed_dictionaries({number: st.integers(0, 90) for number in range(20)}),
    ),
    min_size=1,
    max_size=12,
)


def number_of(key: tuple[int, int]) -> int:
    return key[0] * 3 + key[1] // 2


@given(ticks=TICKS)
def test_no_budget_is_exceeded_and_nothing_is_held_back_that_could_go(ticks: list[Tick]) -> None:
    turns = FairShare[tuple[int, int]]()
    for tick in ticks:
        flows = [
            flow(*key, count, f"number/{number_of(key)}") for key, count in tick.waiting.items()
        ]
        budgets = {f"number/{number}": count for number, count in tick.tokens.items()}
        shares = turns.share(tick.capacity, flows, budgets)
        spent = Counter[int]()
        for key, count in shares.items():
            assert 0 < count <= tick.waiting[key]
            spent[number_of(key)] += count
        assert all(spent[number] <= tokens for number, tokens in tick.tokens.items())
        possible = sum(
            min(tokens, sum(n for key, n in tick.waiting.items() if number_of(key) == number))
            for number, tokens in tick.tokens.items()
        )
        assert sum(shares.values()) == min(tick.capacity, possible)


@given(
    campaigns=st.lists(st.integers(1, 40), min_size=2, max_size=5),
    capacities=st.lists(st.integers(1, 150), min_size=1, max_size=40),
)
def test_tenants_that_wait_are_never_more_than_two_turns_apart_however_many_campaigns_they_run(
    campaigns: list[int], capacities: list[int]
) -> None:
    turns, got = FairShare[tuple[int, int]](), Counter[int]()
    flows = [
        flow(tenant_no, campaign, 10**6)
        for tenant_no, count in enumerate(campaigns)
        for campaign in range(count)
    ]
    by_campaign = Counter[tuple[int, int]]()
    for capacity in capacities:
        by_campaign.update(turns.share(capacity, flows, {}))
    for (tenant_no, _), count in by_campaign.items():
        got[tenant_no] += count
    counts = [got[tenant_no] for tenant_no in range(len(campaigns))]
    assert max(counts) - min(counts) <= 2 * QUANTUM
    of_first = [by_campaign[(0, campaign)] for campaign in range(campaigns[0])]
    assert max(of_first) - min(of_first) <= 2 * QUANTUM


@given(tokens=st.lists(st.integers(0, 70), min_size=1, max_size=60))
def test_campaigns_of_one_number_stay_within_two_turns_however_its_tokens_come(
    tokens: list[int],
) -> None:
    turns, got = FairShare[tuple[int, int]](), Counter[tuple[int, int]]()
    flows = [flow(0, campaign, 10**6, "number/0") for campaign in range(3)]
    for count in tokens:
        # A number without a piece saved is not asked about at all.
        asked = flows if count > 10 else []
        got.update(turns.share(1_000, asked, {"number/0": count}))
    counts = [got[(0, campaign)] for campaign in range(3)]
    assert max(counts) - min(counts) <= 2 * QUANTUM


def test_a_tenant_with_a_thousand_campaigns_does_not_crowd_out_a_tenant_with_one() -> None:
    turns, got = FairShare[tuple[int, int]](), Counter[int]()
    flows = [flow(0, campaign, 1_000) for campaign in range(1_000)] + [flow(1, 0, 10**6)]
    for _ in range(100):
        for (tenant_no, _), count in turns.share(70, flows, {}).items():
            got[tenant_no] += count
    assert abs(got[0] - got[1]) <= 2 * QUANTUM


@given(
    others=st.integers(1, 60),
    capacity=st.integers(1, 100),
    before=st.integers(0, 10),
)
def test_a_newcomer_s_single_goes_within_one_round_of_everybody_else_s_turns(
    others: int, capacity: int, before: int
) -> None:
    turns = FairShare[tuple[int, int]](quantum=SINGLES_QUANTUM)
    flood = [flow(tenant_no, 0, 10**6) for tenant_no in range(others)]
    for _ in range(before):
        turns.share(capacity, flood, {})
    gone = 0
    while True:
        shares = turns.share(capacity, [*flood, flow(others, 0, 1)], {})
        if (others, 0) in shares:
            break
        gone += sum(shares.values())
    assert gone <= others * SINGLES_QUANTUM


def test_a_flow_whose_budget_is_empty_keeps_nobody_from_his_turn() -> None:
    turns = FairShare[tuple[int, int]]()
    flows = [flow(0, 0, 100, "number/0"), flow(0, 1, 100, "number/1"), flow(1, 0, 100)]
    shares = turns.share(1_000, flows, {"number/0": 0, "number/1": 7})
    assert shares == {(0, 1): 7, (1, 0): 100}
