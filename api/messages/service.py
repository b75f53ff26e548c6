"""Messages outside campaigns: one or many queued in one transaction, and read."""

from uuid import UUID

from api.bulk import item_problem
from api.deps import Caller
from api.dto import Page
from api.list_filters import Made
from api.messages.schemas import (
    Message,
    MessageSummary,
    QueuedMessage,
    SendMessage,
    SendMessages,
    SentItem,
    SentMessages,
)
from api.messages.sending import Refusal, queue_messages
from api.pagination import Pager
from api.problems import Problem
from api.rows import fetch_all, fetch_known
from core.errors import InvalidInput
from core.store.database import Connection
from core.store.queries import load

_sql = load("messages")


async def queue_message(
    connection: Connection, caller: Caller, wanted: SendMessage
) -> QueuedMessage:
    """Check and queue one message outside any campaign. Raises what `queue_messages` refuses by."""
    [outcome] = await queue_messages(connection, caller, [wanted])
    if not isinstance(outcome, QueuedMessage):
        raise outcome
    caller.audit(
        target_kind="message",
        target_id=outcome.message_id,
        details={"contact_id": str(outcome.contact_id)},
    )
    return outcome


async def queue_many(connection: Connection, caller: Caller, wanted: SendMessages) -> SentMessages:
    """Queue each message that may be sent, and say of each other why not."""
    items = [
        _told(index, outcome)
        for index, outcome in enumerate(await queue_messages(connection, caller, wanted.items))
    ]
    done = sum(item.status == "done" for item in items)
    counts = {"done": done, "refused": len(items) - done}
    caller.audit(target_kind="messages", details=counts)
    return SentMessages(**counts, items=items)


def _told(index: int, outcome: QueuedMessage | Refusal) -> SentItem:
    if isinstance(outcome, QueuedMessage):
        return SentItem(index=index, status="done", message=outcome, problem=None)
    code = outcome.kind.code if isinstance(outcome, Problem) else outcome.code
    pointer = outcome.pointer if isinstance(outcome, Problem | InvalidInput) else None
    problem = item_problem(index, code, outcome.detail, pointer)
    return SentItem(index=index, status="refused", message=None, problem=problem)


async def get_message(caller: Caller, message_id: UUID) -> Message:
    """One message."""
    async with caller.transaction() as connection:
        return await fetch_known(
            connection,
            Message,
            _sql.get_message,
            {"tenant_id": caller.tenant_id, "message_id": message_id},
            what="message",
        )


async def list_messages(
    caller: Caller,
    pager: Pager,
    *,
    made: Made,
    campaign_id: UUID | None,
    contact_id: UUID | None,
    state: str | None,
) -> Page[MessageSummary]:
    """The tenant's messages that fit the filters, newest first."""
    async with caller.transaction() as connection:
        rows = await fetch_all(
            connection,
            MessageSummary,
            _sql.list_messages,
            {
                "tenant_id": caller.tenant_id,
                "after": pager.after_id,
                **made.near_ids(),
                "campaign_id": campaign_id,
                "contact_id": contact_id,
                "state": state,
                "limit": pager.fetch,
            },
        )
    return pager.page(rows, lambda row: row.message_id)
