"""An operator's switch is obeyed by the next round, and ends by itself."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest

from core.broker.envelopes import Ticket
from core.domain.ids import TenantId
from core.domain.switches import SwitchScope, read_duration
from core.dsn import DatabaseRole
from core.errors import InvalidInput, NotFound
from core.settings import Settings
from core.store import switches
from core.store.database import Connection, Pool
from core.store.switches import OperatorConnection, Target
from sender.applier.main import Rounds
from sender.pacer.pacer import Pacer
from sender.worker.dispatcher import Dispatcher
from tests.sender.landing import land, messages_body, status
from tests.sender.test_pacer import Notebook, ticks
from tests.sender.world import World


@pytest.fixture
def operator(database: Settings) -> Iterator[OperatorConnection]:
    with psycopg.connect(database.dsn(DatabaseRole.OPERATOR), autocommit=True) as connection:
        yield connection


def stop(operator: OperatorConnection, target: Target, **lasting: float) -> object:
    return switches.set_switch(
        operator, target, lasting=timedelta(**(lasting or {"hours": 1})), reason="test", actor="ana"
    )


async def test_webhooks_are_kept_and_not_applied_while_the_switch_is_on(
    pool: Pool, world: World, operator: OperatorConnection
) -> None:
    (message_id,) = world.add_messages(None, world.add_contacts(1))
    world.execute("update app.messages set state = 'accepted', wamid = 'wamid.A'")
    world.execute(
        "insert into app.message_wamids (tenant_id, wamid, message_id, attempt_no)"
        " values (%s, 'wamid.A', %s, 1)",
        world.tenant_id,
        message_id,
    )
    switch_id = switches.set_switch(
        operator,
        Target(scope=SwitchScope.WEBHOOKS_ACCEPT_ONLY),
        lasting=timedelta(hours=1),
        reason="restore",
        actor="ana",
    )
    land(world, messages_body(world, status("wamid.A", "delivered")))
    rounds = Rounds(pool)
    assert await rounds.once() > 0
    assert world.states() == {"accepted": 1}
    assert world.one("select count(*) from raw.webhook_queue") == 1
    assert switches.lift_switch(operator, switch_id, actor="bia")
    await rounds.once()
    assert world.states() == {"delivered": 1}


async def test_a_switch_ends_by_itself(
    pool: Pool, world: World, operator: OperatorConnection
) -> None:
    stop(operator, Target(scope=SwitchScope.WEBHOOKS_ACCEPT_ONLY), seconds=0.001)
    assert switches.list_switches(operator) == []
    land(world, messages_body(world, status("wamid.unknown", "delivered")))
    await Rounds(pool).once()
    assert world.one("select count(*) from raw.webhook_queue") == 0


def test_who_set_and_lifted_a_switch_stays_in_the_audit_entries(
    world: World, operator: OperatorConnection
) -> None:
    slug = world.one("select slug from app.tenants where tenant_id = %s", world.tenant_id)
    target = switches.find_target(operator, SwitchScope.TENANT, slug=slug)
    switch_id = switches.set_switch(
        operator, target, lasting=timedelta(hours=2), reason="complaint", actor="ana"
    )
    assert switches.lift_switch(operator, switch_id, actor="bia")
    assert not switches.lift_switch(operator, switch_id, actor="bia")
    rows = operator.execute(
        "select tenant_id, actor, operation, target_id, details ->> 'reason'"
        " from app.audit_entries order by actor"
    ).fetchall()
    assert rows == [
        (world.tenant_id, "operator:ana", "switch.set", str(switch_id), "complaint"),
        (world.tenant_id, "operator:bia", "switch.lifted", str(switch_id), None),
    ]


@pytest.mark.parametrize(
    "verb", ["update app.audit_entries set actor = 'x'", "delete from app.audit_entries"]
)
def test_nobody_changes_an_audit_entry(operator: OperatorConnection, verb: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        operator.execute(verb)


def test_a_switch_for_what_does_not_exist_is_refused(operator: OperatorConnection) -> None:
    with pytest.raises(NotFound):
        switches.find_target(operator, SwitchScope.TENANT, slug="nobody")


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1_800), ("2h", 7_200), ("7d", 604_800)]
)
def test_durations_are_read(text: str, seconds: int) -> None:
    assert read_duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "0m", "-1h", "1.5h", "8d", "1w", "h", "१h", "1h30m"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_duration(text)


@pytest.mark.parametrize("scope", ["everything", "tenant", "campaign", "number"])
async def test_what_is_switched_off_gets_no_ticket_and_no_claim_until_the_switch_is_lifted(
    database: Settings,
    world: World,
    operator: OperatorConnection,
    dispatcher: Dispatcher,
    ticket_for: Callable[..., Ticket],
    scope: str,
) -> None:
    campaign_id = world.add_campaign()
    ids = world.add_messages(campaign_id, world.add_contacts(5))
    other = World(settings=database, waba_id="109", phone_number_id="209", prefix="+55118").build()
    theirs = other.add_messages(other.add_campaign(), other.add_contacts(5))
    wanted = SwitchScope(scope)
    subject = {"campaign": str(campaign_id), "number": world.phone_number_id}.get(scope)
    tenant_id = None if scope == "everything" else TenantId(world.tenant_id)
    switch_id = switches.set_switch(
        operator,
        Target(scope=wanted, tenant_id=tenant_id, subject=subject),
        lasting=timedelta(hours=1),
        reason="test",
        actor="ana",
    )
    dsn = database.dsn(DatabaseRole.WORKER)
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as session:
        issued = await ticketed(session)
        assert not issued & set(ids)
        assert bool(issued & set(theirs)) == (scope != "everything")
        assert await dispatcher.handle(ticket_for(ids)) == []
        assert switches.lift_switch(operator, switch_id, actor="ana")
        assert await ticketed(session) >= set(ids)
    assert len(await dispatcher.handle(ticket_for(ids))) == 5


async def ticketed(session: Connection) -> set[UUID]:
    """The messages a new pacer gives tickets to."""
    notebook = Notebook()
    await ticks(Pacer(session, notebook), 0.6)
    return {message_id for ticket in notebook.tickets for message_id in ticket.message_ids}


async def test_the_second_batch_waits_for_a_backlog_and_obeys_the_switch(
    pool: Pool, world: World, operator: OperatorConnection
) -> None:
    bodies = [messages_body(world, status(f"wamid.{n}", "sent")) for n in range(900)]
    land(world, *bodies)
    rounds = Rounds(pool)
    assert await rounds.beside() > 0
    assert world.one("select count(*) from raw.webhook_queue") == 900
    assert await rounds.once() == 0.0
    left = world.one("select count(*) from raw.webhook_queue")
    assert await rounds.beside() == 0.0
    assert world.one("select count(*) from raw.webhook_queue") < left
    stop(operator, Target(scope=SwitchScope.WEBHOOKS_ACCEPT_ONLY), seconds=600)
    left = world.one("select count(*) from raw.webhook_queue")
    assert await rounds.once() > 0
    assert await rounds.beside() > 0
    assert world.one("select count(*) from raw.webhook_queue") == left
