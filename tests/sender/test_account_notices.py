"""What Meta says of templates, accounts and numbers stops and resumes campaigns at once."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from core.broker.envelopes import Ticket
from core.clock import utc_now
from core.domain.ids import ContactId, PhoneNumberId, TemplateId, TenantId, WabaId
from core.domain.provider_errors import classify
from core.domain.template_status import HALTING
from core.settings import DatabaseRole
from core.store import breakers
from core.store.database import Pool, platform_transaction
from sender.applier.account_notices import read_limit
from sender.applier.applier import apply_batch
from sender.consequences import Consequence, apply_consequences
from sender.settler.restrictions import end_restrictions
from sender.worker.dispatcher import Dispatcher
from tests.sender.landing import field_body, land
from tests.sender.meta_stub import MetaStub
from tests.sender.world import World

MakeTicket = Callable[..., Ticket]
NOON = utc_now().replace(microsecond=0) - timedelta(hours=1)
HALT = "select status, halted_reason from app.templates"
OPEN = "select kind, subject from app.alerts where closed_at is null order by kind, subject"


async def say(world: World, pool: Pool, field: str, value: Any, at: datetime = NOON) -> None:
    """Meta says something at a time, and we hear it."""
    body = field_body(world, field, value)
    body["entry"][0]["time"] = int(at.timestamp())
    land(world, body)
    await apply_batch(pool)


def template(world: World, **value: Any) -> dict[str, Any]:
    meta_id = world.one("select meta_template_id from app.templates where name = 'pedido'")
    return {
        "message_template_id": int(meta_id),
        "message_template_name": "pedido",
        "message_template_language": "pt-BR",
        **value,
    }


async def status(world: World, pool: Pool, event: str, minutes: int) -> None:
    value = template(world, event=event)
    await say(
        world, pool, "message_template_status_update", value, NOON + timedelta(minutes=minutes)
    )


async def meet(pool: Pool, world: World, code: int, **changes: Any) -> None:
    """An error of this code, as worker and applier hand it on."""
    facts: dict[str, Any] = {
        "error": classify(code),
        "tenant_id": TenantId(world.tenant_id),
        "waba_id": WabaId(world.waba_id),
        "phone_number_id": PhoneNumberId(world.phone_number_id),
        "contact_id": ContactId(world.contacts[0]),
        "template_id": TemplateId(world.template_id),
        "occurred_at": utc_now(),
    }
    async with platform_transaction(pool) as connection:
        await apply_consequences(connection, [Consequence(**{**facts, **changes})])


def unblock_by_hand(world: World) -> None:
    with psycopg.connect(world.settings.dsn(DatabaseRole.OPERATOR)) as connection:
        breakers.unblock_account(connection, waba_id=WabaId(world.waba_id))


@pytest.mark.parametrize("event", sorted(HALTING))
async def test_a_template_is_halted_and_its_return_closes_the_alert(
    world: World, pool: Pool, event: str
) -> None:
    await status(world, pool, event, 0)
    assert world.one(HALT) == (event, f"Meta: {event}")
    assert [kind for kind, _ in world.execute(OPEN)] == ["template_halted"]
    await status(world, pool, "REINSTATED", 1)
    assert world.one(HALT) == ("APPROVED", None)
    assert world.execute(OPEN) == []


@pytest.mark.parametrize("event", ["PENDING", "IN_APPEAL", "LIMIT_EXCEEDED", "PENDING_DELETION"])
async def test_nothing_is_sent_with_a_template_that_meta_reviews_or_takes_away(
    world: World,
    pool: Pool,
    dispatcher: Dispatcher,
    meta: MetaStub,
    ticket_for: MakeTicket,
    event: str,
) -> None:
    ids = world.add_messages(world.add_campaign(), world.add_contacts(3))
    await status(world, pool, event, 0)
    await dispatcher.handle(ticket_for(ids))
    assert meta.received == []
    await status(world, pool, "APPROVED", 1)
    await dispatcher.handle(ticket_for(ids))
    assert len(meta.received) == 3


async def test_the_first_review_of_a_new_template_alarms_nobody(world: World, pool: Pool) -> None:
    world.execute("update app.templates set status = 'PENDING'")
    await status(world, pool, "PENDING", 0)
    assert world.one(HALT) == ("PENDING", "Meta: PENDING")
    assert world.execute(OPEN) == []
    await status(world, pool, "APPROVED", 1)
    assert world.one(HALT) == ("APPROVED", None)


async def test_a_red_template_alarms_once_until_it_recovers(world: World, pool: Pool) -> None:
    world.add_campaign()
    for minute, score in enumerate(("RED", "RED")):
        value = template(world, new_quality_score=score)
        at = NOON + timedelta(minutes=minute)
        await say(world, pool, "message_template_quality_update", value, at)
    assert world.execute(OPEN) == [("template_quality", str(world.template_id))]
    # Meta pauses it when it pleases, and says so by its status.
    assert world.one(HALT) == ("APPROVED", None)
    value = template(world, new_quality_score="YELLOW")
    await say(world, pool, "message_template_quality_update", value, NOON - timedelta(minutes=1))
    assert len(world.execute(OPEN)) == 1
    await say(world, pool, "message_template_quality_update", value, NOON + timedelta(minutes=2))
    assert world.execute(OPEN) == []


async def test_an_old_word_never_undoes_a_newer_one(world: World, pool: Pool) -> None:
    world.add_contacts(1)
    await status(world, pool, "PAUSED", 10)
    await status(world, pool, "APPROVED", 5)
    assert world.one(HALT) == ("PAUSED", "Meta: PAUSED")
    await status(world, pool, "APPROVED", 20)
    await status(world, pool, "PAUSED", 15)
    assert world.one(HALT) == ("APPROVED", None)
    # Nor does a failed webhook of before the approval; one of after it halts again.
    await meet(pool, world, 132015, occurred_at=NOON + timedelta(minutes=16))
    assert world.one(HALT) == ("APPROVED", None)
    await status(world, pool, "PAUSED", 25)
    assert world.one(HALT) == ("PAUSED", "Meta: PAUSED")


async def test_late_news_do_not_undo_a_person_s_lift(world: World, pool: Pool) -> None:
    await status(world, pool, "PAUSED", 0)
    with psycopg.connect(world.settings.dsn(DatabaseRole.OPERATOR)) as connection:
        breakers.resume_template(connection, template_id=TemplateId(world.template_id))
    await status(world, pool, "PAUSED", 1)
    assert world.one(HALT) == ("PAUSED", None)


async def test_quality_and_category_follow_the_newest_word(world: World, pool: Pool) -> None:
    campaign = world.add_campaign()
    world.execute("update app.campaigns set plan = '{\"cost\": {}}'")
    quality = "message_template_quality_update"
    await say(world, pool, quality, template(world, new_quality_score="RED"), NOON)
    older = NOON - timedelta(minutes=1)
    await say(world, pool, quality, template(world, new_quality_score="GREEN"), older)
    assert world.one("select quality from app.templates") == "RED"
    notice = template(world, new_category="UTILITY", correct_category="MARKETING")
    await say(world, pool, "template_category_update", notice)
    now = "select category, next_category from app.templates"
    assert world.one(now) == ("utility", "marketing")
    assert world.one("select price_stale_at from app.campaigns") is None
    done = template(world, previous_category="UTILITY", new_category="MARKETING")
    await say(world, pool, "template_category_update", done, NOON + timedelta(minutes=2))
    assert world.one(now) == ("marketing", None)
    repriced = (
        "select campaign_id, price_stale_at from app.campaigns where plan #> '{cost,lines}' = '[]'"
    )
    assert world.one(repriced) == (campaign, None)
    await say(world, pool, "template_category_update", notice)
    assert world.one(now) == ("marketing", None)


def restriction(kind: str, ends: datetime) -> dict[str, Any]:
    info = [{"restriction_type": kind, "expiration": int(ends.timestamp())}]
    return {"event": "ACCOUNT_RESTRICTION", "restriction_info": info}


async def test_a_restricted_account_is_blocked_until_its_end(world: World, pool: Pool) -> None:
    ends = NOON + timedelta(days=1)
    value = restriction("RESTRICTED_BIZ_INITIATED_MESSAGING", ends)
    await say(world, pool, "account_update", value)
    block = "select blocked_reason is null, blocked_until from app.whatsapp_accounts"
    assert world.one(block) == (False, ends)
    assert await end_restrictions(pool) == 0
    world.execute("update app.whatsapp_accounts set blocked_until = now() - interval '1 s'")
    assert await end_restrictions(pool) == 1
    assert world.one(block) == (True, None)
    assert world.execute(OPEN) == []
    passed = restriction("RESTRICTED_BIZ_INITIATED_MESSAGING", NOON - timedelta(days=1))
    await say(world, pool, "account_update", passed, NOON + timedelta(minutes=2))
    assert world.one(block) == (True, None)


@pytest.mark.parametrize(
    ("stop", "lift"),
    [
        (
            {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": ["DISABLE"]}},
            {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "REINSTATE"}},
        ),
        ({"event": "ACCOUNT_DELETED"}, {"event": "ACCOUNT_RECONNECTED"}),
        ({"event": "ACCOUNT_OFFBOARDED"}, {"event": "ACCOUNT_RECONNECTED"}),
    ],
)
async def test_a_banned_account_is_blocked_until_meta_takes_it_back(
    world: World, pool: Pool, stop: dict[str, Any], lift: dict[str, Any]
) -> None:
    blocked = "select blocked_reason from app.whatsapp_accounts"
    await say(world, pool, "account_update", stop, NOON + timedelta(minutes=1))
    assert str(world.one(blocked)).startswith("Meta: ")
    await say(world, pool, "account_update", lift, NOON)
    assert world.one(blocked) is not None
    await say(world, pool, "account_update", lift, NOON + timedelta(minutes=2))
    assert world.one(blocked) is None
    assert world.execute(OPEN) == []
    await say(world, pool, "account_update", stop, NOON + timedelta(minutes=1))
    assert world.one(blocked) is None


async def test_meta_s_return_does_not_lift_a_block_of_another_reason(
    world: World, pool: Pool
) -> None:
    world.add_contacts(1)
    await meet(pool, world, 190)
    await say(world, pool, "account_update", {"event": "ACCOUNT_RECONNECTED"}, utc_now())
    assert world.one("select blocked_reason from app.whatsapp_accounts") == "190 token_expired"


@pytest.mark.parametrize(
    ("said", "people"),
    [
        ("TIER_250", 250),
        ("TIER_2K", 2_000),
        ("TIER_100K", 100_000),
        ("10000", 10_000),
        ("TIER_UNLIMITED", 0),
        ("UNLIMITED", 0),
        ("TIER_NOT_SET", None),
        ("-1", None),
        ("", None),
        ("K", None),
    ],
)
def test_both_spellings_of_a_limit_are_read(said: str, people: int | None) -> None:
    assert read_limit(said) == people


async def test_limits_throughput_and_tiers_are_stored(world: World, pool: Pool) -> None:
    world.execute("update app.phone_numbers set throughput_per_second = 80")
    upgrade = {
        "event": "THROUGHPUT_UPGRADE",
        "display_phone_number": "551155550000",
        "max_daily_conversations_per_business": "TIER_2K",
    }
    await say(world, pool, "phone_number_quality_update", upgrade)
    assert world.one("select throughput_per_second from app.phone_numbers") == 1_000
    limit = "select people_per_day from app.portfolios where portfolio_id = '1'"
    assert world.one(limit) == 2_000
    older = {"max_daily_conversation_per_phone": 250}
    await say(world, pool, "business_capability_update", older, NOON - timedelta(minutes=1))
    assert world.one(limit) == 2_000
    newer = {"max_daily_conversations_per_business": "TIER_UNLIMITED"}
    await say(world, pool, "business_capability_update", newer, NOON + timedelta(minutes=1))
    assert world.one(limit) is None
    for minutes in (5, 3, 4):
        tier = {
            "event": "VOLUME_BASED_PRICING_TIER_UPDATE",
            "volume_tier_info": {
                "tier_update_time": int((NOON + timedelta(minutes=minutes)).timestamp()),
                "pricing_category": "UTILITY",
                "tier": "0:1000000",
                "effective_month": "2026-11",
                "region": "Brazil",
            },
        }
        await say(world, pool, "account_update", tier)
    assert world.one("select tier, reached_at from app.volume_tiers") == (
        "0:1000000",
        NOON + timedelta(minutes=3),
    )


async def test_a_cap_stops_utility_of_the_whole_account_until_its_end(
    world: World, pool: Pool
) -> None:
    other = world.execute(
        "insert into app.templates select tenant_id, gen_random_uuid(), waba_id, '7', 'oferta',"
        " language, 'marketing', status, quality, components, parameter_format, version_hash,"
        " null, now() from app.templates returning template_id"
    )[0][0]
    world.add_contacts(1)
    ends = NOON + timedelta(days=9)
    cap = restriction("RATE_LIMITED_UTILITY_TEMPLATE_MESSAGING", ends)
    await say(world, pool, "account_update", cap)
    await meet(pool, world, 131064, template_id=TemplateId(other))
    halted = "select name, halted_until from app.templates where halted_reason is not null"
    assert world.execute(halted) == [("pedido", ends)]
    # Meta's word on the template itself does not end the account's cap.
    await status(world, pool, "APPROVED", 5)
    assert world.execute(halted) == [("pedido", ends)]
    world.execute("update app.templates set halted_until = now() where halted_until is not null")
    assert await end_restrictions(pool) == 1
    assert world.execute(halted) == []
    await meet(pool, world, 131063, template_id=None)
    assert world.execute(halted) == [("oferta", None)]
    unblock_by_hand(world)
    assert world.execute(halted) == []
    await meet(pool, world, 131063, occurred_at=NOON)
    assert world.execute(halted) == []


async def claimed(
    world: World, meta: MetaStub, dispatcher: Dispatcher, ticket_for: MakeTicket, ids: list[UUID]
) -> list[tuple[str, str | None]]:
    await dispatcher.handle(ticket_for(ids))
    return world.execute(
        "select state, reason from app.messages where message_id = any(%s) order by message_id", ids
    )


async def test_a_person_at_the_marketing_limit_still_gets_utility(
    world: World, pool: Pool, meta: MetaStub, dispatcher: Dispatcher, ticket_for: MakeTicket
) -> None:
    one = world.add_contacts(1)
    await meet(pool, world, 131049)
    ids = world.add_messages(None, one, category="marketing")
    ids += world.add_messages(None, one, category="utility")
    assert await claimed(world, meta, dispatcher, ticket_for, ids) == [
        ("cancelled", "suppressed"),
        ("accepted", None),
    ]
    world.execute("update app.suppressions set marketing_until = now()")
    ids = world.add_messages(None, one, category="marketing")
    assert await claimed(world, meta, dispatcher, ticket_for, ids) == [("accepted", None)]


async def test_a_blocked_country_stops_its_people_only(
    world: World, pool: Pool, meta: MetaStub, dispatcher: Dispatcher, ticket_for: MakeTicket
) -> None:
    world.add_contacts(1)
    abroad = world.add_contacts(1, address="+5352345678", country="CU")
    await meet(pool, world, 130497, contact_id=ContactId(abroad[0]))
    assert world.execute(OPEN) == [("country_blocked", f"{world.waba_id}/CU")]
    ids = world.add_messages(None, world.contacts)
    assert await claimed(world, meta, dispatcher, ticket_for, ids) == [
        ("accepted", None),
        ("cancelled", "blocked_country"),
    ]
    unblock_by_hand(world)
    ids = world.add_messages(None, abroad)
    assert await claimed(world, meta, dispatcher, ticket_for, ids) == [("accepted", None)]


async def test_a_person_without_a_phone_gets_no_authentication(
    world: World, pool: Pool, meta: MetaStub, dispatcher: Dispatcher, ticket_for: MakeTicket
) -> None:
    hidden = world.add_contacts(1, address="BR.13491208655302741918")
    await meet(pool, world, 131062)
    ids = world.add_messages(None, hidden, category="authentication")
    assert await claimed(world, meta, dispatcher, ticket_for, ids) == [("cancelled", "suppressed")]
    world.execute("update app.contacts set address = '+5511987654321'")
    ids = world.add_messages(None, hidden, category="authentication")
    assert await claimed(world, meta, dispatcher, ticket_for, ids) == [("accepted", None)]


async def test_an_experiment_suppresses_nobody(world: World, pool: Pool) -> None:
    world.add_contacts(1)
    await meet(pool, world, 130472)
    assert world.execute("select 1 from app.suppressions") == []
    assert world.execute(OPEN) == []


@pytest.mark.parametrize("code", [33, 131031, 131048, 133010])
async def test_a_number_in_trouble_is_paused_with_one_alert(
    world: World, pool: Pool, code: int
) -> None:
    world.add_contacts(1)
    await meet(pool, world, code)
    await meet(pool, world, code)
    assert world.one("select paused_until > now() from app.phone_numbers")
    assert world.execute(OPEN) == [("number_paused", world.phone_number_id)]
