"""What Meta's limits slow, rest, and leave in its place."""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import pytest

from core.broker.envelopes import Ticket
from core.domain.ids import PhoneNumberId, TenantId, WabaId
from core.domain.provider_errors import classify
from core.settings import Settings
from core.store import pacing
from core.store.database import Pool, platform_transaction
from sender.consequences import Consequence, apply_consequences
from sender.worker.dispatcher import Dispatcher
from tests.sender.meta_stub import MetaStub
from tests.sender.world import World


@pytest.fixture
def numbers(world: World, database: Settings) -> dict[str, str]:
    """A second number of the same account, and one of another tenant."""
    world.execute(
        "insert into app.phone_numbers (tenant_id, phone_number_id, waba_id, display_phone_number,"
        " throughput_per_second, granted_per_second) values (%s, 'second', %s, '+55', 1000, 1000)",
        world.tenant_id,
        world.waba_id,
    )
    other = World(settings=database, waba_id="109", phone_number_id="209").build()
    return {"met": world.phone_number_id, "second": "second", "other": other.phone_number_id}


async def meet(world: World, pool: Pool, code: int, retry_after: int | None = None) -> None:
    async with platform_transaction(pool) as connection:
        await apply_consequences(
            connection,
            [
                Consequence(
                    error=classify(code),
                    tenant_id=TenantId(world.tenant_id),
                    waba_id=WabaId(world.waba_id),
                    phone_number_id=PhoneNumberId(world.phone_number_id),
                    contact_id=None,
                    template_id=None,
                    occurred_at=datetime.now(UTC),
                    retry_after_seconds=retry_after,
                )
            ],
        )


def grants_and_rests(world: World, numbers: dict[str, str]) -> dict[str, tuple[float, int]]:
    rows = world.execute(
        "select phone_number_id, granted_per_second::float,"
        " coalesce(round(extract(epoch from paused_until - now())), 0)::int from app.phone_numbers"
    )
    found = {number: (grant, rest) for number, grant, rest in rows}
    return {name: found[number] for name, number in numbers.items()}


@pytest.mark.parametrize(
    ("code", "retry_after", "expected"),
    [
        (130429, None, {"met": (700, 0), "second": (1000, 0), "other": (1000, 0)}),
        (130429, 90, {"met": (700, 90), "second": (1000, 0), "other": (1000, 0)}),
        (131057, None, {"met": (1000, 60), "second": (1000, 0), "other": (1000, 0)}),
        (80007, None, {"met": (700, 60), "second": (700, 60), "other": (1000, 0)}),
        (80007, 1200, {"met": (700, 1200), "second": (700, 1200), "other": (1000, 0)}),
        (4, None, {"met": (700, 60), "second": (700, 60), "other": (700, 0)}),
    ],
    ids=["throughput", "with-wait", "upgrade-minute", "account", "account-with-wait", "app"],
)
async def test_a_limit_slows_or_rests_every_number_it_is_about(
    world: World,
    pool: Pool,
    numbers: dict[str, str],
    code: int,
    retry_after: int | None,
    expected: dict[str, tuple[float, int]],
) -> None:
    await meet(world, pool, code, retry_after)
    assert grants_and_rests(world, numbers) == expected
    # However many sends meet it in the same second.
    await meet(world, pool, code, retry_after)
    assert grants_and_rests(world, numbers) == expected


@pytest.mark.parametrize("code", [130429, 131057, 80007])
async def test_what_meets_a_limit_of_its_number_keeps_its_place(
    world: World,
    dispatcher: Dispatcher,
    meta: MetaStub,
    ticket_for: Callable[..., Ticket],
    code: int,
) -> None:
    ids: list[UUID] = world.add_messages(world.add_campaign(), world.add_contacts(3))
    meta.answer = meta.refuse(code, 429)
    await dispatcher.handle(ticket_for(ids))
    assert world.states() == {"queued": 3}
    assert world.one("select count(*) from app.messages where not_before is not null") == 0


async def test_the_rest_of_an_account_keeps_the_reason_and_the_end_of_a_longer_pause(
    world: World, pool: Pool, numbers: dict[str, str]
) -> None:
    forever = datetime(9999, 1, 1, tzinfo=UTC)
    world.execute(
        "update app.phone_numbers set paused_until = %s, pause_reason = '131031 account_locked'"
        " where phone_number_id = %s",
        forever,
        numbers["met"],
    )
    await meet(world, pool, 80007, None)
    paused = "select paused_until, pause_reason from app.phone_numbers where phone_number_id = %s"
    assert world.one(paused, numbers["met"]) == (forever, "131031 account_locked")
    assert world.one(paused, numbers["second"])[1] == "80007 waba_call_limit"


async def test_a_slowed_number_gets_faster_only_after_its_rest(
    world: World, pool: Pool, numbers: dict[str, str]
) -> None:
    await meet(world, pool, 80007, None)
    world.execute("update app.phone_numbers set throttled_at = now() - interval '9 seconds'")
    grants = "select granted_per_second::int from app.phone_numbers where phone_number_id = %s"
    async with platform_transaction(pool) as connection:
        await pacing.raise_grants(connection)
    assert world.one(grants, numbers["met"]) == 700
    world.execute("update app.phone_numbers set paused_until = now()")
    async with platform_transaction(pool) as connection:
        await pacing.raise_grants(connection)
    assert world.one(grants, numbers["met"]) == 720
