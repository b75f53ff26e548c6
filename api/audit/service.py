"""Lists a tenant's audit entries, and gives the chain as a file that can be checked elsewhere."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final
from uuid import UUID

from api.audit.schemas import AuditEntry
from api.deps import Caller
from api.dto import Page
from api.list_filters import Made
from api.pagination import Pager
from api.rows import fetch_all
from core.domain.audit import Head, export_head, export_line
from core.errors import NotFound
from core.store import audit
from core.store.audit import Chain
from core.store.queries import load

_sql = load("audit")
_LAST: Final = UUID(int=(1 << 128) - 1)


async def list_entries(
    caller: Caller,
    pager: Pager,
    *,
    made: Made,
    filters: dict[str, str | None],
) -> Page[AuditEntry]:
    """The entries that fit the filters, the newest first."""
    async with caller.transaction() as connection:
        rows = await fetch_all(
            connection,
            AuditEntry,
            _sql.list_entries,
            {
                **filters,
                "tenant_id": caller.tenant_id,
                "after": pager.after_id,
                **made.near_ids(),
                "limit": pager.fetch,
            },
        )
    return pager.page(rows, lambda row: row.entry_id)


async def find_chain(caller: Caller, after_sequence: int) -> Chain:
    """Where the tenant's chain ends now, and where it begins behind a place. Raises NotFound."""
    async with caller.transaction(snapshot=True) as connection:
        chain = await audit.get_chain(connection, caller.tenant_id)
        if after_sequence <= chain.start.sequence:
            return chain
        before = (after_sequence - 1, _LAST)
        for _, link in await audit.read_page(connection, caller.tenant_id, before, limit=1):
            if link.sequence == after_sequence:
                start = Head(sequence=link.sequence, entry_hash=link.entry_hash)
                return replace(chain, start=start)
    raise NotFound("there is no entry with this number")


async def chain_file(caller: Caller, chain: Chain) -> AsyncIterator[bytes]:
    """The chain up to the head it has now, one line an entry, after a line that names its ends.

    Page by page: no transaction is held while a client reads.
    """
    yield export_head(chain.tenant_id, chain.start, chain.head)
    after = (chain.start.sequence, _LAST)
    while chain.head is not None and after[0] < chain.head.sequence:
        async with caller.transaction() as connection:
            page = await audit.read_page(connection, caller.tenant_id, after)
        if not page:
            return
        for entry, link in page:
            if link.sequence > chain.head.sequence:
                return
            yield export_line(entry, link)
            after = (link.sequence, entry.entry_id)
