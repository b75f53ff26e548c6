"""The pacer's arithmetic."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from core.broker.envelopes import Ticket
from core.clock import utc_now
from core.domain.ids import CampaignId, MessageId, PhoneNumberId, TenantId, new_id
from sender.pacer.outstanding import Issued, Outstanding
from sender.pacer.scheduling import TRICKLE, Bucket, HeadRoom, Workers


@given(rate=st.floats(1, 1000), steps=st.lists(st.floats(0.01, 5), min_size=1, max_size=50))
def test_a_bucket_never_grants_more_than_its_rate_and_one_burst(
    rate: float, steps: list[float]
) -> None:
    bucket, at, taken = Bucket(rate=rate), 0.0, 0
    for step in steps:
        at += step
        bucket.refill(rate=rate, at=at)
        granted = bucket.for_singles()
        bucket.take(granted)
        taken += granted
    assert taken <= rate * at + bucket.capacity


def test_campaigns_leave_a_fifth_of_the_bucket_to_singles() -> None:
    bucket = Bucket(rate=80)
    bucket.refill(rate=80, at=10.0)
    assert (bucket.for_singles(), bucket.for_campaigns()) == (40, 32)
    bucket.take(32)
    assert (bucket.for_singles(), bucket.for_campaigns()) == (8, 0)


def test_a_slow_number_still_sends() -> None:
    bucket, sent = Bucket(rate=1), 0
    for second in range(1, 31):
        bucket.refill(rate=1, at=second / 1.0)
        granted = bucket.for_campaigns()
        bucket.take(granted)
        sent += granted
    assert sent >= 25


@given(rate=st.floats(0.5, 1000))
def test_a_full_bucket_holds_a_piece_for_campaigns_at_every_rate(rate: float) -> None:
    bucket = Bucket(rate=rate)
    bucket.refill(rate=rate, at=60.0)
    assert 1 <= bucket.piece() <= bucket.for_campaigns()


def test_an_upgraded_number_fills_at_its_new_rate_at_once() -> None:
    bucket = Bucket(rate=80)
    bucket.refill(rate=80, at=1.0)
    bucket.take(bucket.for_singles())
    bucket.refill(rate=1000, at=1.3)
    assert bucket.for_singles() == 300


def test_the_workers_get_a_second_of_what_they_take() -> None:
    workers = Workers()
    assert workers.limit == 200
    for _ in range(100):
        workers.observe(taken=300, elapsed=0.1)
    assert 2_900 <= workers.limit <= 3_000
    for _ in range(100):
        workers.observe(taken=0, elapsed=0.1)
    assert workers.limit == 200


@given(singles=st.integers(0, 1_000), campaigns=st.integers(0, 1_000))
def test_neither_singles_nor_campaigns_shut_the_other_out(singles: int, campaigns: int) -> None:
    workers = Workers()
    # However many campaigns wait, singles have the whole limit to themselves; however many
    # singles wait, campaigns without work get their share.
    assert workers.room_for_singles(singles=singles) == max(0, 200 - singles)
    room = workers.room_for_campaigns(singles=singles, campaigns=campaigns)
    assert room >= 40 - campaigns
    assert campaigns + room <= max(200, campaigns)


def test_a_portfolio_without_room_goes_on_with_a_trickle() -> None:
    room = HeadRoom(free=250)
    assert room.allowance(0.0) == 250
    room.take(250, 0.0)
    assert room.allowance(0.1) == TRICKLE
    room.take(TRICKLE, 0.1)
    assert (room.allowance(1.0), room.allowance(1.2)) == (0, TRICKLE)


def test_outstanding_work_is_counted_until_claimed_or_expired() -> None:
    outstanding = Outstanding()
    now = utc_now()
    tickets = [
        Ticket(
            ticket_id=new_id(),
            tenant_id=TenantId(new_id()),
            phone_number_id=PhoneNumberId("1"),
            message_ids=(MessageId(new_id()), MessageId(new_id())),
            issued_at=now,
            expires_at=now + timedelta(seconds=10),
        )
        for _ in range(2)
    ]
    campaign = CampaignId(new_id())
    outstanding.add(Issued(ticket=tickets[0], campaign_id=campaign, expires_at=10.0))
    outstanding.add(Issued(ticket=tickets[1], campaign_id=None, expires_at=10.0))
    number = PhoneNumberId("1")
    assert (outstanding.of_number(number), outstanding.singles_of_number(number)) == (4, 2)
    assert tickets[0].message_ids[1] in outstanding
    outstanding.settle(tickets[0].ticket_id)
    assert tickets[0].message_ids[1] not in outstanding
    assert (outstanding.singles, outstanding.campaigns) == (2, 0)
    assert outstanding.expire(9.9) == 0
    assert outstanding.expire(10.0) == 1
    assert (outstanding.of_number(number), outstanding.singles) == (0, 0)
