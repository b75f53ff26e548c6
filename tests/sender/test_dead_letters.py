"""What could not be processed is kept with its reason, and may be tried again twice at once."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest

from core.broker.connection import TicketPublisher
from core.broker.envelopes import Ticket, write_ticket
from core.domain.ids import MessageId
from core.dsn import DatabaseRole
from core.settings import Settings
from core.store import dead_letters
from core.store.database import Pool, platform_transaction
from core.store.dead_letters import LetterFilter, LetterKind, OperatorConnection
from sender.applier.applier import apply_batch
from sender.redrive import redrive_letter
from sender.worker.dispatcher import Dispatcher
from tests.sender.landing import land, messages_body, status
from tests.sender.meta_stub import MetaStub
from tests.sender.test_pacer import Notebook, until, working
from tests.sender.world import World


@pytest.fixture
def operator(database: Settings) -> Iterator[OperatorConnection]:
    with psycopg.connect(database.dsn(DatabaseRole.OPERATOR), autocommit=True) as connection:
        yield connection


def letters(operator: OperatorConnection, **wanted: Any) -> list[dead_letters.DeadLetter]:
    return dead_letters.list_dead_letters(operator, LetterFilter(**wanted), limit=100)


async def test_poison_on_either_broker_is_kept_with_its_reason_and_counted(
    database: Settings, dispatcher: Dispatcher, operator: OperatorConnection, broker_url: str
) -> None:
    settings = database.model_copy(update={"broker_url": broker_url})
    async with working(settings, dispatcher):
        with TicketPublisher(settings) as publisher:
            for body in (b"not json", b"not json", b'{"v": 99}'):
                publisher._send(body, exchange="carteiro", routing_key="tickets")
        await until(lambda: sum(letter.occurrences for letter in letters(operator)) == 3, 20)
    found = {letter.reason: (letter.kind, letter.occurrences) for letter in letters(operator)}
    assert found == {
        "a broker message is not JSON": ("ticket", 2),
        "a broker message has a version this release does not read": ("ticket", 1),
    }


async def test_two_redrives_of_a_dead_ticket_at_once_send_each_message_once(
    pool: Pool,
    world: World,
    dispatcher: Dispatcher,
    meta: MetaStub,
    database: Settings,
    operator: OperatorConnection,
    ticket_for: Callable[..., Ticket],
) -> None:
    ids = [MessageId(item) for item in world.add_messages(None, world.add_contacts(20))]
    await bury(pool, ticket_for(ids))
    (letter,) = letters(operator)
    notebooks = Notebook(), Notebook()

    def redrive(notebook: Notebook) -> str:
        with psycopg.connect(database.dsn(DatabaseRole.OPERATOR)) as connection:
            return redrive_letter(connection, notebook, letter.letter_id, actor="ana")

    results = await asyncio.gather(
        *(asyncio.to_thread(redrive, notebook) for notebook in notebooks)
    )
    assert sorted(results) == ["not redriven: closed, taken or gone", "redriven"]
    tickets = [ticket for notebook in notebooks for ticket in notebook.tickets]
    # The broker may deliver a ticket twice; the claim is what keeps each person's message single.
    await asyncio.gather(*(dispatcher.handle(ticket) for ticket in [*tickets, *tickets]))
    assert len(meta.received) == 20
    assert max(meta.per_recipient().values()) == 1
    assert letters(operator) == []


async def test_a_dead_ticket_is_issued_anew_only_for_what_still_waits(
    pool: Pool, world: World, operator: OperatorConnection, ticket_for: Callable[..., Ticket]
) -> None:
    ids = [MessageId(item) for item in world.add_messages(None, world.add_contacts(3))]
    await bury(pool, ticket_for(ids))
    world.execute("update app.messages set state = 'accepted' where message_id <> %s", ids[1])
    notebook = Notebook()
    (letter,) = letters(operator)
    assert redrive_letter(operator, notebook, letter.letter_id, actor="ana") == "redriven"
    assert [list(ticket.message_ids) for ticket in notebook.tickets] == [[ids[1]]]


async def test_a_dead_ticket_whose_messages_all_left_is_closed_without_a_ticket(
    pool: Pool, world: World, operator: OperatorConnection, ticket_for: Callable[..., Ticket]
) -> None:
    ids = [MessageId(item) for item in world.add_messages(None, world.add_contacts(2))]
    await bury(pool, ticket_for(ids))
    world.execute("update app.messages set state = 'accepted'")
    notebook = Notebook()
    (letter,) = letters(operator)
    result = redrive_letter(operator, notebook, letter.letter_id, actor="ana")
    assert (result, notebook.tickets) == ("closed: nothing left to send", [])
    assert [item.resolution for item in letters(operator, include_resolved=True)] == [
        "nothing_left"
    ]


async def test_bytes_that_are_no_ticket_cannot_be_redriven_only_discarded(
    pool: Pool, world: World, operator: OperatorConnection
) -> None:
    async with platform_transaction(pool) as connection:
        await dead_letters.bury_ticket(connection, b"\x80\x04pickle", reason="rejected")
    (letter,) = letters(operator)
    result = redrive_letter(operator, Notebook(), letter.letter_id, actor="ana")
    assert result == "not redriven: no ticket, discard it"
    kind, key = dead_letters.read_letter_id(letter.letter_id)
    assert kind is LetterKind.TICKET
    assert isinstance(key, UUID)
    assert dead_letters.resolve_ticket(operator, key, resolution="discarded", actor="ana")
    assert letters(operator) == []


async def test_a_quarantined_update_is_applied_once_its_number_is_known(
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
    known, world.phone_number_id = world.phone_number_id, "299999999999999"
    land(world, messages_body(world, status("wamid.A", "delivered")))
    world.phone_number_id = known
    await apply_batch(pool)
    (letter,) = letters(operator, kind=LetterKind.WEBHOOK, reason="unknown")
    world.execute(
        "update raw.webhook_bodies set body = convert_to(replace(convert_from(body, 'UTF8'),"
        " '299999999999999', %s), 'UTF8')",
        known,
    )
    assert redrive_letter(operator, Notebook(), letter.letter_id, actor="ana") == "redriven"
    await apply_batch(pool)
    assert world.states() == {"delivered": 1}
    # A second redrive finds it closed; the applier has seen (wamid, status) besides.
    again = redrive_letter(operator, Notebook(), letter.letter_id, actor="ana")
    assert again == "not redriven: closed, taken or gone"
    assert letters(operator) == []


async def bury(pool: Pool, ticket: Ticket) -> None:
    async with platform_transaction(pool) as connection:
        await dead_letters.bury_ticket(connection, write_ticket(ticket), reason="delivery_limit")
