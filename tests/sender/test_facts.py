"""What a message is after some statuses: the same for every order, cut and repetition."""

import itertools
from collections.abc import Sequence
from dataclasses import astuple, replace
from datetime import UTC, datetime, timedelta

import pytest

from core.domain.ids import (
    ContactId,
    MessageId,
    PhoneNumberId,
    TenantId,
    WabaId,
    new_id,
)
from core.domain.message_state import MessageState
from core.store.webhooks import Fact, KnownMessage
from core.whatsapp.updates import Pricing, ReportedError, StatusUpdate
from sender.applier.facts import Observation, fold

S = MessageState
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PRICE = Pricing(billable=True, model="PMP", type="regular", category="marketing")
MESSAGE = KnownMessage(
    tenant_id=TenantId(new_id()),
    message_id=MessageId(new_id()),
    phone_number_id=PhoneNumberId("1"),
    waba_id=WabaId("1"),
    contact_id=ContactId(new_id()),
    template_id=None,
    address="+5511910000000",
    state="accepted",
    reason=None,
    error_code=None,
    conflict=None,
    attempt_no=1,
    wamid=None,
    billable=None,
    pricing_model=None,
    pricing_type=None,
    pricing_category=None,
    accepted_at=NOON,
    sent_at=None,
    delivered_at=None,
    read_at=None,
    failed_at=None,
)


def said(state: MessageState, seconds: int) -> Observation:
    failed = state is S.FAILED
    status = StatusUpdate(
        position=0,
        waba_id=WabaId("1"),
        phone_number_id=PhoneNumberId("1"),
        wamid="wamid.1",
        word=state.value,
        state=state,
        occurred_at=NOON + timedelta(seconds=seconds),
        callback_token=None,
        recipient_wa_id=None,
        recipient_user_id=None,
        pricing=PRICE if state in (S.SENT, S.DELIVERED) else None,
        origin=None,
        errors=(ReportedError(code=131026, title=None, details=None),) if failed else (),
    )
    return Observation(status=status, attempt_no=1)


def heard(
    message: KnownMessage, batches: Sequence[Sequence[Observation]]
) -> tuple[KnownMessage, frozenset[Fact]]:
    """The message and all facts after these batches; a status said again is not applied again."""
    message = replace(message)
    facts: list[Fact] = []
    seen: set[MessageState] = set()
    for batch in batches:
        new = [item for item in batch if item.status.state not in seen]
        seen.update(item.status.state for item in new)
        folded = fold(message, new)
        message = folded.message
        facts += folded.facts
    assert len(facts) == len(set(facts)), "a fact was told twice"
    return message, frozenset(facts)


TIMES = [
    (S.SENT, 1),
    (S.DELIVERED, 2),
    (S.READ, 3),
    (S.FAILED, 4),
]
STARTS = [
    MESSAGE,
    replace(MESSAGE, state="held"),
    replace(MESSAGE, state="expired", reason="ttl"),
    replace(MESSAGE, state="expired", reason="held_too_long"),
    replace(MESSAGE, state="failed", reason="unconfirmed", failed_at=NOON),
    replace(MESSAGE, state="cancelled"),
]


@pytest.mark.parametrize("failure_first", [False, True])
@pytest.mark.parametrize("start", STARTS, ids=lambda m: f"{m.state}-{m.reason}")
def test_every_order_and_repetition_of_every_set_of_statuses_ends_alike(
    start: KnownMessage, failure_first: bool
) -> None:
    """All permutations of all subsets, one status a batch, all in one, and everything repeated."""
    words = [said(state, 0 if failure_first and state is S.FAILED else at) for state, at in TIMES]
    for size in range(1, len(words) + 1):
        for chosen in itertools.combinations(words, size):
            ends = set()
            for order in itertools.permutations(chosen):
                one_by_one = [[item] for item in order]
                for batches in (one_by_one, [*one_by_one, list(order)], [list(order)]):
                    message, facts = heard(start, batches)
                    ends.add((astuple(message), facts))
            assert len(ends) == 1, [item.status.state for item in chosen]


def test_a_late_sent_leaves_no_mark_on_a_failure() -> None:
    message, _ = heard(MESSAGE, [[said(S.FAILED, 2)], [said(S.SENT, 1)]])
    assert (message.state, message.conflict, message.error_code) == ("failed", None, 131026)


@pytest.mark.parametrize(
    ("failed", "conflict"), [(9, "failed_after_delivered"), (1, "delivered_after_failed")]
)
def test_a_failure_and_a_delivery_are_both_kept_and_named_by_their_times(
    failed: int, conflict: str
) -> None:
    message, facts = heard(MESSAGE, [[said(S.FAILED, failed)], [said(S.DELIVERED, 5)]])
    assert (message.state, message.conflict) == ("delivered", conflict)
    assert message.failed_at == NOON + timedelta(seconds=failed)
    assert {fact.event_type for fact in facts} == {"failed", "delivered"}


def test_read_without_delivered_is_delivered_at_the_latest_then() -> None:
    message, _ = heard(MESSAGE, [[said(S.READ, 3)]])
    assert message.delivered_at == message.read_at == NOON + timedelta(seconds=3)
    message, _ = heard(MESSAGE, [[said(S.READ, 3)], [said(S.DELIVERED, 2)]])
    assert message.delivered_at == NOON + timedelta(seconds=2)


def test_a_held_message_is_released_by_sent_and_dropped_by_failed() -> None:
    held = replace(MESSAGE, state="held")
    assert heard(held, [[said(S.SENT, 1)]])[0].state == "sent"
    assert heard(held, [[said(S.FAILED, 1)]])[0].state == "failed"


@pytest.mark.parametrize(("state", "wamid"), [("sending", None), ("accepted", "wamid.2")])
def test_the_late_failure_of_an_earlier_attempt_decides_nothing(
    state: str, wamid: str | None
) -> None:
    """Redriven or repeated since: as failed, the second attempt's delivery would not count."""
    again = replace(MESSAGE, state=state, wamid=wamid, accepted_at=None, attempt_no=2)
    folded = fold(replace(again), [said(S.FAILED, 1)])
    assert (folded.message, folded.facts, folded.sent_twice) == (again, (), False)
    assert [known.wamid for known in folded.wamids] == ["wamid.1"]
