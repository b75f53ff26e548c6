"""Leases, doubts and ends, on a real PostgreSQL."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from core.domain.ids import MessageId, PhoneNumberId, TenantId, new_id
from core.settings import Settings
from core.store.database import Pool
from core.store.settlement import Controls, Doubt
from sender.settler.policy import Evidence, judge, weigh
from sender.settler.settler import settle
from tests.sender.world import World


@pytest.fixture
def database(each_database: Settings) -> Settings:
    """On each PostgreSQL: the statements here are the ones that must not depend on its version."""
    return each_database


@pytest.fixture
def impatient(database: Settings) -> Settings:
    return database.model_copy(
        update={"in_doubt_quiet_seconds": 1, "in_doubt_give_up_seconds": 3_600}
    )


def in_doubt(world: World, *, category: str, since: str = "10 seconds") -> UUID:
    (message_id,) = world.add_messages(
        None, world.add_contacts(1), category=category, state="in_doubt"
    )
    world.execute(
        "update app.messages set attempt_no = 1, claimed_at = now(),"
        " in_doubt_since = now() - %s::interval where message_id = %s",
        since,
        message_id,
    )
    world.execute(
        "insert into app.message_attempts (tenant_id, message_id, attempt_no, outcome, claimed_at)"
        " values (%s, %s, 1, 'in_doubt', now())",
        world.tenant_id,
        message_id,
    )
    world.landing_listened()
    return message_id


def add_controls(world: World, *, heard: int, silent: int = 0) -> None:
    ids = world.add_messages(None, world.add_contacts(heard + silent, first=500), state="accepted")
    world.execute(
        "insert into raw.message_events (tenant_id, message_id, contact_pseudonym, waba_id,"
        " phone_number_id, event_type, category, occurred_at)"
        " select tenant_id, message_id, contact_pseudonym, waba_id, phone_number_id, 'accepted',"
        " category, now() from app.messages where message_id = any(%s)",
        ids,
    )
    world.execute(
        "insert into app.message_attempts (tenant_id, message_id, attempt_no, outcome, claimed_at)"
        " select tenant_id, message_id, 1, 'accepted', now() from app.messages"
        " where message_id = any(%s)",
        ids,
    )
    world.execute("update app.messages set sent_at = now() where message_id = any(%s)", ids[:heard])


def state_of(world: World, message_id: UUID) -> tuple[str, str | None]:
    row: tuple[str, str | None] = world.one(
        "select state, reason from app.messages where message_id = %s", message_id
    )
    return row


@pytest.mark.parametrize(
    ("category", "expected"),
    [
        ("marketing", ("failed", "unconfirmed")),
        ("utility", ("queued", None)),
        ("service", ("queued", None)),
        ("authentication", ("expired", "unconfirmed")),
    ],
)
async def test_silence_in_a_working_pipe_settles_by_category(
    world: World,
    impatient: Settings,
    pool: Pool,
    *,
    category: str,
    expected: tuple[str, str | None],
) -> None:
    message_id = in_doubt(world, category=category)
    add_controls(world, heard=9, silent=1)
    await settle(impatient, pool)
    assert state_of(world, message_id) == expected
    kind = {"failed": {"failed": 1}, "expired": {"expired": 1}, "queued": {}}[expected[0]]
    assert world.events() == {"accepted": 10, **kind}


async def test_without_a_control_group_nothing_is_settled_before_the_end(
    world: World, impatient: Settings, pool: Pool
) -> None:
    message_id = in_doubt(world, category="utility")
    await settle(impatient, pool)
    assert state_of(world, message_id) == ("in_doubt", None)
    world.execute("update app.messages set in_doubt_since = now() - interval '2 hours'")
    await settle(impatient, pool)
    assert state_of(world, message_id) == ("queued", None)


async def test_a_broken_pipe_settles_nothing(world: World, impatient: Settings, pool: Pool) -> None:
    message_id = in_doubt(world, category="marketing")
    add_controls(world, heard=5, silent=5)
    await settle(impatient, pool)
    assert state_of(world, message_id) == ("in_doubt", None)


async def test_a_young_doubt_is_left_alone(world: World, database: Settings, pool: Pool) -> None:
    message_id = in_doubt(world, category="utility")
    add_controls(world, heard=3)
    await settle(database, pool)
    assert state_of(world, message_id) == ("in_doubt", None)


async def test_a_lease_that_ended_becomes_a_doubt_once(
    world: World, database: Settings, pool: Pool
) -> None:
    world.add_messages(None, world.add_contacts(2), state="sending")
    world.execute(
        "update app.messages set attempt_no = 1, claimed_at = now() - interval '2 minutes',"
        " lease_until = now() - interval '1 minute', claimed_by = 'w'"
    )
    await settle(database, pool)
    await settle(database, pool)
    assert world.states() == {"in_doubt": 2}
    assert world.events() == {"in_doubt": 2}
    assert world.execute("select distinct outcome, worker from app.message_attempts") == [
        ("lease_expired", "w")
    ]


async def test_a_live_lease_is_left_alone(world: World, database: Settings, pool: Pool) -> None:
    world.add_messages(None, world.add_contacts(1), state="sending")
    world.execute("update app.messages set lease_until = now() + interval '1 minute'")
    await settle(database, pool)
    assert world.states() == {"sending": 1}


async def test_a_campaign_is_finished_when_nothing_of_it_is_open(
    world: World, database: Settings, pool: Pool
) -> None:
    campaign = world.add_campaign()
    contacts = world.add_contacts(2)
    world.add_messages(campaign, contacts[:1], state="accepted")
    world.add_messages(campaign, contacts[1:], state="queued")
    await settle(database, pool)
    assert world.one("select finished_at from app.campaigns") is None
    world.execute("update app.messages set state = 'read'")
    await settle(database, pool)
    assert world.one("select finished_at is not null from app.campaigns") is True


async def test_cancelling_takes_back_what_waits_and_nothing_else(
    world: World, database: Settings, pool: Pool
) -> None:
    campaign = world.add_campaign(status="cancelled")
    contacts = world.add_contacts(3)
    world.add_messages(campaign, contacts[:2])
    world.add_messages(campaign, contacts[2:], state="accepted")
    await settle(database, pool)
    assert world.states() == {"cancelled": 2, "accepted": 1}
    assert world.events() == {"cancelled": 2}


def doubt(*, category: str, doubts: int, given_up: bool) -> Doubt:
    now = datetime(2026, 11, 20, tzinfo=UTC)
    return Doubt(
        tenant_id=TenantId(new_id()),
        message_id=MessageId(new_id()),
        phone_number_id=PhoneNumberId("1"),
        category=category,
        attempt_no=doubts,
        claimed_at=now,
        in_doubt_since=now,
        given_up=given_up,
        doubts=doubts,
    )


@pytest.mark.parametrize(
    ("evidence", "given_up", "doubts", "state"),
    [
        (Evidence.SILENT_PIPE_WORKS, False, 1, "queued"),
        (Evidence.SILENT_PIPE_WORKS, False, 3, "queued"),
        (Evidence.SILENT_PIPE_WORKS, False, 4, "failed"),
        (Evidence.UNKNOWN, False, 1, None),
        (Evidence.UNKNOWN, True, 1, "queued"),
        (Evidence.UNKNOWN, True, 2, "failed"),
        (Evidence.PIPE_BROKEN, False, 1, None),
        (Evidence.PIPE_BROKEN, True, 2, "failed"),
    ],
)
def test_utility_is_repeated_as_often_as_the_evidence_allows(
    evidence: Evidence, given_up: bool, doubts: int, state: str | None
) -> None:
    assert judge(doubt(category="utility", doubts=doubts, given_up=given_up), evidence) == state


@pytest.mark.parametrize(
    ("controls", "heard", "evidence"),
    [
        (0, 0, Evidence.UNKNOWN),
        (1, 1, Evidence.SILENT_PIPE_WORKS),
        (10, 9, Evidence.SILENT_PIPE_WORKS),
        (10, 8, Evidence.PIPE_BROKEN),
    ],
)
def test_nine_in_ten_controls_must_have_been_heard_of(
    controls: int, heard: int, evidence: Evidence
) -> None:
    assert weigh(Controls(controls=controls, heard=heard)) is evidence


async def test_silence_is_no_evidence_while_a_body_of_the_quiet_time_waits_for_the_applier(
    world: World, impatient: Settings, pool: Pool
) -> None:
    message_id = in_doubt(world, category="utility")
    add_controls(world, heard=9)
    world.execute(
        "insert into raw.webhook_queue (body_id, received_at)"
        " select 1, in_doubt_since + interval '0.5 seconds' from app.messages"
        " where message_id = %s",
        message_id,
    )
    await settle(impatient, pool)
    assert state_of(world, message_id) == ("in_doubt", None)
    world.execute("delete from raw.webhook_queue")
    await settle(impatient, pool)
    assert state_of(world, message_id) == ("queued", None)


async def test_silence_is_no_evidence_of_a_time_in_which_nobody_could_reach_us(
    world: World, database: Settings, pool: Pool
) -> None:
    """Doubled in a run of kills: the API was away, and Meta's word came after the quiet time."""
    patient = database.model_copy(update={"in_doubt_quiet_seconds": 60})
    message_id = in_doubt(world, category="utility", since="70 seconds")
    add_controls(world, heard=20)
    world.execute(
        "delete from raw.landing_pulses"
        " where bucket between now() - interval '40 seconds' and now() - interval '20 seconds'"
    )
    await settle(patient, pool)
    assert state_of(world, message_id) == ("in_doubt", None)
    # A quiet time after the gap, without another one, is evidence.
    world.execute("delete from raw.landing_pulses")
    world.landing_listened(seconds=65)
    await settle(patient, pool)
    assert state_of(world, message_id) == ("queued", None)


async def test_silence_is_no_evidence_while_landing_does_not_listen(
    world: World, impatient: Settings, pool: Pool
) -> None:
    message_id = in_doubt(world, category="marketing")
    add_controls(world, heard=20)
    world.execute("delete from raw.landing_pulses where bucket > now() - interval '20 seconds'")
    await settle(impatient, pool)
    assert state_of(world, message_id) == ("in_doubt", None)
    world.execute("delete from raw.landing_pulses")
    await settle(impatient, pool)
    assert state_of(world, message_id) == ("in_doubt", None)
