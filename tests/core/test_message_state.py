"""The life of a message, under every order and repetition of what Meta says."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from core.domain.campaign_state import (
    DERIVED,
    STORED,
    CampaignState,
    can_campaign_move,
    shown_campaign_state,
)
from core.domain.message_state import (
    AWAITING,
    BILLABLE,
    CONFLICTS,
    CONSERVATION_GROUPS,
    OBSERVABLE,
    OPEN,
    TERMINAL,
    MessageState,
    can_move,
    conservation_gap,
    gravest_conflict,
    next_state,
    rank,
)

S = MessageState
STATUSES = [S.SENT, S.DELIVERED, S.READ, S.FAILED]


def after(start: MessageState, *observed: MessageState) -> MessageState:
    state = start
    for word in observed:
        state = next_state(state, word).state
    return state


def test_status_never_moves_back_from_read_to_delivered() -> None:
    for late in (S.DELIVERED, S.SENT, S.ACCEPTED, S.HELD, S.FAILED):
        transition = next_state(S.READ, late)
        assert (transition.state, transition.changed) == (S.READ, False)


def test_read_without_delivered_is_enough() -> None:
    assert after(S.ACCEPTED, S.READ) is S.READ
    assert after(S.ACCEPTED, S.READ, S.DELIVERED, S.SENT) is S.READ


@pytest.mark.parametrize("current", [S.DELIVERED, S.READ])
def test_failed_after_delivered_keeps_the_delivery_and_records_the_conflict(
    current: MessageState,
) -> None:
    transition = next_state(current, S.FAILED)
    assert (transition.state, transition.changed) == (current, False)
    assert transition.conflict == "failed_after_delivered"


@pytest.mark.parametrize("proof", [S.DELIVERED, S.READ])
def test_a_delivery_after_a_failure_proves_it_wrong_and_is_recorded(proof: MessageState) -> None:
    transition = next_state(S.FAILED, proof)
    assert (transition.state, transition.changed) == (proof, True)
    assert transition.conflict == "delivered_after_failed"


def test_a_late_sent_changes_no_failure_that_meta_reported() -> None:
    transition = next_state(S.FAILED, S.SENT)
    assert (transition.state, transition.changed) == (S.FAILED, False)
    assert transition.conflict is None  # webhooks come in any order: nothing is contradicted


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        (S.SENT, S.EXPIRED),
        (S.HELD, S.EXPIRED),
        (S.FAILED, S.FAILED),
        (S.DELIVERED, S.DELIVERED),
        (S.READ, S.READ),
    ],
)
def test_after_the_time_to_live_only_an_outcome_moves_a_message(
    observed: MessageState, expected: MessageState
) -> None:
    transition = next_state(S.EXPIRED, observed, lapsed=True)
    assert (transition.state, transition.conflict) == (expected, None)


@pytest.mark.parametrize(("first", "second"), list(itertools.permutations([*CONFLICTS, None], 2)))
def test_of_two_contradictions_the_graver_is_kept_whichever_came_first(
    first: str | None, second: str | None
) -> None:
    assert gravest_conflict(first, second) == gravest_conflict(second, first) is not None


@pytest.mark.parametrize("proof", [S.ACCEPTED, S.HELD, S.SENT, S.DELIVERED, S.READ])
@pytest.mark.parametrize("guess", [S.QUEUED, S.SENDING, S.IN_DOUBT, S.EXPIRED])
def test_any_word_of_meta_outweighs_what_we_only_supposed(
    guess: MessageState, proof: MessageState
) -> None:
    transition = next_state(guess, proof)
    assert (transition.state, transition.changed, transition.conflict) == (proof, True, None)


@pytest.mark.parametrize("proof", [S.ACCEPTED, S.SENT, S.DELIVERED, S.READ])
def test_an_unconfirmed_failure_gives_way_to_proof_without_conflict(proof: MessageState) -> None:
    transition = next_state(S.FAILED, proof, unconfirmed=True)
    assert (transition.state, transition.changed, transition.conflict) == (proof, True, None)


def test_a_sent_message_that_was_cancelled_is_shown_as_sent_with_a_conflict() -> None:
    transition = next_state(S.CANCELLED, S.SENT)
    assert (transition.state, transition.conflict) == (S.SENT, "sent_after_cancelled")


@pytest.mark.parametrize("observed", sorted(OBSERVABLE))
def test_nothing_moves_an_excluded_person(observed: MessageState) -> None:
    transition = next_state(S.EXCLUDED, observed)
    assert (transition.state, transition.changed) == (S.EXCLUDED, False)
    assert transition.conflict is not None


@pytest.mark.parametrize("observed", sorted(set(S) - OBSERVABLE))
def test_what_meta_cannot_report_is_refused(observed: MessageState) -> None:
    with pytest.raises(ValueError, match="not something Meta reports"):
        next_state(S.QUEUED, observed)


@pytest.mark.parametrize("start", sorted(set(S) - {S.EXCLUDED}))
@pytest.mark.parametrize("size", [2, 3, 4])
def test_every_order_of_the_same_statuses_ends_alike(start: MessageState, size: int) -> None:
    for chosen in itertools.combinations_with_replacement(STATUSES, size):
        ends = {after(start, *order) for order in itertools.permutations(chosen)}
        assert len(ends) == 1, (start, chosen, ends)


@given(st.sampled_from(sorted(S)), st.sampled_from(sorted(OBSERVABLE)), st.booleans())
def test_saying_the_same_twice_changes_nothing_more(
    current: MessageState, observed: MessageState, unconfirmed: bool
) -> None:
    first = next_state(current, observed, unconfirmed=unconfirmed)
    second = next_state(first.state, observed, unconfirmed=unconfirmed and not first.changed)
    assert (second.state, second.changed) == (first.state, False)


class Webhooks(RuleBasedStateMachine):
    """Meta repeats and reorders; the end depends only on what it said, and no rank ever falls."""

    @initialize(start=st.sampled_from([S.SENDING, S.IN_DOUBT, S.ACCEPTED, S.HELD]))
    def begin(self, start: MessageState) -> None:
        self.start = start
        self.state = start
        self.said: list[MessageState] = []
        self.highest = rank(start)

    @rule(status=st.sampled_from([*STATUSES, S.ACCEPTED, S.HELD]))
    def hear(self, status: MessageState) -> None:
        transition = next_state(self.state, status)
        assert transition.changed == (transition.state is not self.state)
        self.state = transition.state
        self.said.append(status)

    @rule()
    def hear_everything_again_backwards(self) -> None:
        for status in reversed(list(self.said)):
            self.state = next_state(self.state, status).state

    @invariant()
    def rank_never_falls(self) -> None:
        assert rank(self.state) >= self.highest
        self.highest = rank(self.state)

    @invariant()
    def the_end_is_the_highest_of_what_was_said(self) -> None:
        assert rank(self.state) == max(map(rank, [self.start, *self.said]))

    @invariant()
    def a_delivery_once_known_stays_known(self) -> None:
        if {S.DELIVERED, S.READ} & set(self.said):
            assert self.state in BILLABLE


TestWebhooks = Webhooks.TestCase


@pytest.mark.parametrize(
    ("source", "target", "allowed"),
    [
        (S.QUEUED, S.SENDING, True),
        (S.QUEUED, S.CANCELLED, True),
        (S.QUEUED, S.EXCLUDED, True),
        (S.SENDING, S.QUEUED, True),
        (S.SENDING, S.IN_DOUBT, True),
        (S.SENDING, S.CANCELLED, False),
        (S.IN_DOUBT, S.QUEUED, True),
        (S.IN_DOUBT, S.SENDING, False),
        (S.ACCEPTED, S.QUEUED, False),
        (S.DELIVERED, S.QUEUED, False),
        (S.DELIVERED, S.FAILED, False),
        (S.DELIVERED, S.READ, True),
        (S.READ, S.DELIVERED, False),
        (S.HELD, S.FAILED, True),
        (S.HELD, S.ACCEPTED, False),
        (S.FAILED, S.QUEUED, False),
        (S.FAILED, S.DELIVERED, True),
        (S.EXCLUDED, S.QUEUED, False),
        (S.CANCELLED, S.QUEUED, False),
    ],
)
def test_moves_are_those_of_the_architecture(
    source: MessageState, target: MessageState, allowed: bool
) -> None:
    assert can_move(source, target) is allowed


def test_nothing_accepted_is_ever_queued_again() -> None:
    accepted = {state for state in S if rank(state) >= rank(S.ACCEPTED)}
    assert not [state for state in accepted if can_move(state, S.QUEUED)]


def test_groups_cover_every_state_once() -> None:
    grouped = [state for states in CONSERVATION_GROUPS.values() for state in states]
    assert sorted(grouped) == sorted(S)
    assert sorted([*OPEN, *AWAITING, *TERMINAL]) == sorted(S)


@given(st.dictionaries(st.sampled_from(sorted(S)), st.integers(0, 10**6)), st.integers(-5, 5))
def test_conservation_shows_what_is_lost_or_doubled(
    counts: dict[MessageState, int], error: int
) -> None:
    assert conservation_gap(planned=sum(counts.values()) + error, counts=counts) == error


@pytest.mark.parametrize(
    ("stored", "counts", "shown"),
    [
        (CampaignState.RUNNING, {S.QUEUED: 1}, CampaignState.RUNNING),
        (CampaignState.RUNNING, {S.IN_DOUBT: 1, S.READ: 5}, CampaignState.RUNNING),
        (CampaignState.RUNNING, {S.SENT: 1, S.EXCLUDED: 2}, CampaignState.FINISHED),
        (CampaignState.RUNNING, {S.READ: 9, S.FAILED: 1}, CampaignState.FINISHED_WITH_FAILURES),
        (CampaignState.RUNNING, {S.EXPIRED: 1}, CampaignState.FINISHED_WITH_FAILURES),
        (CampaignState.RUNNING, {}, CampaignState.FINISHED),
        (CampaignState.PAUSED, {S.READ: 9}, CampaignState.PAUSED),
        (CampaignState.CANCELLED, {S.CANCELLED: 9}, CampaignState.CANCELLED),
    ],
)
def test_finished_is_what_the_messages_say(
    stored: CampaignState, counts: dict[MessageState, int], shown: CampaignState
) -> None:
    assert shown_campaign_state(stored, counts) is shown


def test_a_campaign_runs_only_after_approval_and_never_after_cancelling() -> None:
    into_running = {state for state in STORED if can_campaign_move(state, CampaignState.RUNNING)}
    assert into_running == {CampaignState.APPROVED, CampaignState.PAUSED}
    assert not [state for state in STORED if can_campaign_move(CampaignState.CANCELLED, state)]
    assert not [state for state in DERIVED if any(can_campaign_move(s, state) for s in STORED)]
