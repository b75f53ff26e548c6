"""What time ends: held too long, undelivered past the time to live, old texts; what not."""

from uuid import UUID

import pytest

from core.domain.ids import new_id
from core.store import expiry
from core.store.database import Pool, platform_transaction
from sender.applier.applier import apply_batch
from sender.settler.expiry import expire
from sender.settler.settler import settle
from tests.sender.landing import land, messages_body, status, token_of
from tests.sender.world import World


def waiting(world: World, age: str, *, category: str = "marketing", state: str = "sent") -> UUID:
    """A message that Meta took `age` ago and said nothing more of."""
    first = len(world.contacts)
    (message_id,) = world.add_messages(
        None, world.add_contacts(1, first=first), category=category, state=state
    )
    world.execute(
        "update app.messages set attempt_no = 1, accepted_at = now() - %s::interval,"
        " template_id = %s where message_id = %s",
        age,
        world.template_id,
        message_id,
    )
    return message_id


def outcome(world: World, message_id: UUID) -> tuple[str, str | None]:
    row: tuple[str, str | None] = world.one(
        "select state, reason from app.messages where message_id = %s", message_id
    )
    return row


TTL_CASES = [
    ("authentication", "1 hour 9 minutes", False),
    ("authentication", "1 hour 11 minutes", True),
    ("marketing", "30 days 59 minutes", False),
    ("marketing", "30 days 61 minutes", True),
    ("utility", "29 days", False),
    ("utility", "31 days", True),
    ("service", "31 days", True),
]


async def test_what_was_never_delivered_expires_after_its_time_to_live_and_the_buffer(
    world: World, pool: Pool
) -> None:
    cases = [
        (waiting(world, age, category=category, state=state), state, ends)
        for category, age, ends in TTL_CASES
        for state in ("accepted", "sent")
    ]
    due = sum(ends for _, _, ends in cases)
    assert await expire(world.settings, pool) == due
    for message_id, state, ends in cases:
        assert outcome(world, message_id) == (("expired", "ttl") if ends else (state, None))
    assert world.events() == {"expired": due}
    assert await expire(world.settings, pool) == 0


@pytest.mark.parametrize(
    ("own", "category", "age", "ends"),
    [
        (30, "utility", "1 hour 1 minute", True),
        (900, "authentication", "1 hour 12 minutes", False),
        (900, "authentication", "1 hour 16 minutes", True),
        (-1, "authentication", "29 days", False),
    ],
)
async def test_a_template_s_own_time_to_live_counts_where_it_is_known(
    world: World, pool: Pool, own: int, category: str, age: str, ends: bool
) -> None:
    world.execute(
        "update app.templates set message_send_ttl_seconds = %s, category = %s", own, category
    )
    message_id = waiting(world, age, category=category)
    await expire(world.settings, pool)
    assert outcome(world, message_id) == (("expired", "ttl") if ends else ("sent", None))


def pass_by(world: World, interval: str) -> None:
    """As if everything had happened so much earlier."""
    world.execute("update app.messages set accepted_at = accepted_at - %s::interval", interval)
    world.execute("update ops.expiry_marks set swept_to = swept_to - %s::interval", interval)


async def test_a_sweep_goes_over_what_meta_took_once(world: World, pool: Pool) -> None:
    waiting(world, "1 hour 9 minutes", category="authentication")
    assert await expire(world.settings, pool) == 0
    pass_by(world, "2 minutes")
    assert await expire(world.settings, pool) == 1
    swept = world.execute(
        "select ttl_seconds from ops.expiry_marks where category = 'authentication'"
        " and now() - swept_to - make_interval(secs => ttl_seconds + 3600) < interval '1 minute'"
    )
    assert sorted(swept) == [(600,), (86_400,), (691_200,), (2_592_000,)]


async def test_what_a_sweep_came_too_early_for_is_found_a_day_later(
    world: World, pool: Pool
) -> None:
    assert await expire(world.settings, pool) == 0
    # A webhook proves only now that Meta took it two hours ago.
    message_id = waiting(world, "2 hours", category="authentication")
    assert await expire(world.settings, pool) == 0
    pass_by(world, "23 hours 1 minute")
    assert await expire(world.settings, pool) == 1
    assert outcome(world, message_id) == ("expired", "ttl")


async def test_a_sweep_stops_at_its_limit_but_never_within_an_instant(
    world: World, pool: Pool
) -> None:
    for _ in range(3):
        waiting(world, "31 days")
    together = [waiting(world, "32 days") for _ in range(3)]
    world.execute(
        "update app.messages set accepted_at = now() - interval '32 days'"
        " where message_id = any(%s)",
        together,
    )
    async with platform_transaction(pool) as connection:
        await expiry.note_times_to_live(connection)
    sweeps = []
    for _ in range(4):
        async with platform_transaction(pool) as connection:
            swept = await expiry.expire_undelivered(connection, buffer_seconds=3600, limit=2)
        sweeps.append((swept.expired, swept.is_more))
    assert sweeps == [(3, True), (2, True), (1, False), (0, False)]


@pytest.mark.parametrize(("late", "state"), [("delivered", "delivered"), ("sent", "expired")])
async def test_a_late_delivery_outweighs_the_expiry_and_a_late_sent_does_not(
    world: World, pool: Pool, late: str, state: str
) -> None:
    message_id = waiting(world, "31 days", state="accepted")
    await expire(world.settings, pool)
    land(world, messages_body(world, status("w", late, token=token_of(world, message_id))))
    await apply_batch(pool)
    await expire(world.settings, pool)
    assert outcome(world, message_id)[0] == state
    assert world.events() == {"expired": 1, late: 1}


async def test_what_meta_holds_too_long_expires_with_an_alert_and_the_campaign_ends(
    world: World, pool: Pool
) -> None:
    campaign_id = world.add_campaign()
    held = world.add_messages(campaign_id, world.add_contacts(2), state="held")
    world.execute("update app.messages set attempt_no = 1, accepted_at = now() - interval '23 h'")
    assert await expire(world.settings, pool) == 0
    world.execute("update app.messages set accepted_at = now() - interval '25 h'")
    assert await expire(world.settings, pool) == 2
    assert outcome(world, held[0]) == ("expired", "held_too_long")
    assert world.one("select kind, subject from app.alerts") == ("held_too_long", str(campaign_id))
    await settle(world.settings, pool)
    assert world.one("select finished_at is not null from app.campaigns") is True
    # Meta decides after all: what it says counts.
    land(world, messages_body(world, status("w", "sent", token=token_of(world, held[0]))))
    await apply_batch(pool)
    assert outcome(world, held[0]) == ("sent", None)


@pytest.mark.parametrize(
    ("answered", "free"),
    [("23 hours 59 minutes", True), ("24 hours", False), ("-1 second", False)],
)
async def test_an_advertisement_answered_within_a_day_opens_72_free_hours(
    world: World, pool: Pool, answered: str, free: bool
) -> None:
    (message_id,) = world.add_messages(None, world.add_contacts(1), state="delivered")
    world.execute(
        "insert into app.service_windows (tenant_id, phone_number_id, contact_id, opened_at,"
        " expires_at, referral_at) values (%s, %s, %s, now() - interval '2 days',"
        " now() - interval '1 day', now() - interval '2 days')",
        world.tenant_id,
        world.phone_number_id,
        world.contacts[0],
    )
    world.execute(
        "update app.messages set accepted_at = (select referral_at from app.service_windows)"
        " + %s::interval where message_id = %s",
        answered,
        message_id,
    )
    await expire(world.settings, pool)
    until, accepted_at = world.one(
        "select free_entry_until, (select accepted_at from app.messages) from app.service_windows"
    )
    assert (until is not None) is free
    assert until is None or (until - accepted_at).total_seconds() == 72 * 3600


async def test_what_people_wrote_is_deleted_after_its_retention(world: World, pool: Pool) -> None:
    (contact_id,) = world.add_contacts(1)
    for days in (364, 366):
        world.execute(
            "insert into app.inbound_messages (tenant_id, inbound_id, phone_number_id, contact_id,"
            " wamid, type, body, occurred_at, received_at) values (%s, %s, '1', %s, %s, 'text',"
            " 'oi', now(), now() - make_interval(days => %s))",
            world.tenant_id,
            new_id(),
            contact_id,
            f"wamid.{days}",
            days,
        )
    await expire(world.settings, pool)
    assert world.one("select wamid from app.inbound_messages") == "wamid.364"


def queued(world: World, until: str, campaign_id: UUID | None = None) -> UUID:
    """A message that waits, with its last moment so far from now."""
    (message_id,) = world.add_messages(
        campaign_id, world.add_contacts(1, first=len(world.contacts))
    )
    world.execute(
        "update app.messages set expires_at = now() + %s::interval where message_id = %s",
        until,
        message_id,
    )
    return message_id


async def test_what_nobody_may_claim_expires_after_its_last_moment_and_the_minute(
    world: World, pool: Pool
) -> None:
    world.execute("update app.whatsapp_accounts set blocked_reason = 'token', blocked_at = now()")
    late, soon, later = (queued(world, f"{seconds} seconds") for seconds in (-61, -50, 10))
    (endless,) = world.add_messages(None, world.add_contacts(1, first=90))
    assert await expire(world.settings, pool) == 1
    assert outcome(world, late) == ("expired", "too_late")
    assert {outcome(world, one) for one in (soon, later, endless)} == {("queued", None)}
    assert world.events() == {"expired": 1}
    assert await expire(world.settings, pool) == 0


@pytest.mark.parametrize("status", ["running", "paused"])
async def test_a_campaign_that_nobody_lets_go_on_ends_after_thirty_days(
    world: World, pool: Pool, status: str
) -> None:
    world.execute("update app.templates set halted_reason = 'PAUSED'")
    old, new = (world.add_campaign(status=status) for _ in range(2))
    for campaign_id, age in ((old, "31 days"), (new, "29 days")):
        world.add_messages(campaign_id, world.add_contacts(3, first=len(world.contacts)))
        world.execute(
            "update app.campaigns set launched_at = now() - %s::interval where campaign_id = %s",
            age,
            campaign_id,
        )
    assert await expire(world.settings, pool) == 3
    assert world.execute(
        "select campaign_id, state, reason, count(*) from app.messages group by 1, 2, 3 order by 1"
    ) == [(old, "expired", "too_late", 3), (new, "queued", None, 3)]


async def test_what_a_worker_has_is_not_taken_from_it(world: World, pool: Pool) -> None:
    message_id = queued(world, "-2 minutes")
    world.execute(
        "update app.messages set state = 'sending', lease_until = now() + interval '1 minute'"
    )
    assert await expire(world.settings, pool) == 0
    assert outcome(world, message_id) == ("sending", None)
