"""The pacer's arithmetic."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from core.broker.envelopes import Ticket
from core.clock import utc_now
from core.domain.ids import CampaignId, MessageId, PhoneNumberId, TenantId, new_id
from sender.pacer.scheduling import Bucket, Issued, Outstanding, RoundRobin


def campaigns(count: int) -> list[CampaignId]:
    return [CampaignId(new_id()) for _ in range(count)]


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


def test_campaigns_of_a_number_get_equal_shares_whatever_their_size() -> None:
    small, big = campaigns(2)
    turns = RoundRobin()
    got = {small: 0, big: 0}
    for _ in range(100):
        for campaign, count in turns.share(7, {small: 500, big: 1_000_000}).items():
            got[campaign] += count
    assert sum(got.values()) == 700
    assert abs(got[small] - got[big]) <= 20


def test_what_one_campaign_cannot_use_the_others_get() -> None:
    nearly_done, big = campaigns(2)
    assert RoundRobin().share(100, {nearly_done: 3, big: 1_000}) == {nearly_done: 3, big: 97}


@given(
    tokens=st.integers(0, 300),
    waiting=st.lists(st.integers(1, 200), min_size=1, max_size=6),
)
def test_shares_never_exceed_tokens_or_what_waits_and_waste_nothing(
    tokens: int, waiting: list[int]
) -> None:
    wanted = dict(zip(campaigns(len(waiting)), waiting, strict=True))
    shares = RoundRobin().share(tokens, wanted)
    assert sum(shares.values()) == min(tokens, sum(waiting))
    assert all(count <= wanted[campaign] for campaign, count in shares.items())


def test_outstanding_work_is_counted_until_claimed_or_expired() -> None:
    (campaign,) = campaigns(1)
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
    for ticket in tickets:
        outstanding.add(Issued(ticket=ticket, campaign_id=campaign, expires_at=10.0))
    assert (outstanding.of_number("1"), outstanding.of_campaign(campaign)) == (4, 4)
    outstanding.settle(tickets[0].ticket_id)
    assert outstanding.total() == 2
    assert outstanding.expire(9.9) == 0
    assert outstanding.expire(10.0) == 1
    assert (outstanding.total(), outstanding.of_campaign(campaign)) == (0, 0)
