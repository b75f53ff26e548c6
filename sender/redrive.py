"""One more try for what was put aside. Safe twice at once: the row's lock, then the claim."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from core.broker.connection import TicketPublisher
from core.broker.envelopes import Ticket
from core.clock import utc_now
from core.domain.ids import new_id
from core.store import dead_letters
from core.store.dead_letters import LetterKind, OperatorConnection

_TICKET_SECONDS: Final = 30.0


def redrive_letter(
    connection: OperatorConnection, publisher: TicketPublisher, letter_id: str, *, actor: str
) -> str:
    """Try a dead letter again in the caller's transaction; returns what was done, in two words.

    Raises InvalidInput for an id that is none, BrokerUnavailable when a ticket cannot be issued:
    then the letter stays open.
    """
    kind, key = dead_letters.read_letter_id(letter_id)
    if kind is LetterKind.WEBHOOK:
        taken = dead_letters.redrive_webhook(connection, int(str(key)), actor=actor)
        return "redriven" if taken else "not redriven: closed, taken or gone"
    return _redrive_ticket(connection, publisher, UUID(str(key)), actor=actor)


def _redrive_ticket(
    connection: OperatorConnection, publisher: TicketPublisher, ticket_id: UUID, *, actor: str
) -> str:
    dead = dead_letters.take_ticket(connection, ticket_id)
    if dead is None:
        return "not redriven: closed, taken or gone"
    if dead.tenant_id is None or dead.phone_number_id is None or dead.message_ids is None:
        return "not redriven: no ticket, discard it"
    if not dead.message_ids:
        dead_letters.resolve_ticket(connection, ticket_id, resolution="nothing_left", actor=actor)
        return "closed: nothing left to send"
    now = utc_now()
    publisher.publish(
        Ticket(
            ticket_id=new_id(),
            tenant_id=dead.tenant_id,
            phone_number_id=dead.phone_number_id,
            message_ids=dead.message_ids,
            issued_at=now,
            expires_at=now + timedelta(seconds=_TICKET_SECONDS),
        )
    )
    dead_letters.resolve_ticket(connection, ticket_id, resolution="redriven", actor=actor)
    return "redriven"
