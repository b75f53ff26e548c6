"""Reads invoices; they are made by the data path."""

from uuid import UUID

from api.billing.schemas import Invoice, InvoiceHead, InvoiceLine, InvoiceSummary
from api.deps import Caller
from api.dto import Page
from api.list_filters import Made
from api.pagination import Pager, time_and_id
from api.rows import fetch_all, fetch_known
from core.store.queries import load

_sql = load("invoices")


async def list_invoices(
    caller: Caller, pager: Pager, *, made: Made, state: str | None
) -> Page[InvoiceSummary]:
    """The tenant's invoices, newest first."""
    async with caller.transaction() as connection:
        rows = await fetch_all(
            connection,
            InvoiceSummary,
            _sql.list_invoices,
            {
                "tenant_id": caller.tenant_id,
                **pager.after_time_and_id(),
                **made.parameters(),
                "state": state,
                "limit": pager.fetch,
            },
        )
    return pager.page(rows, lambda row: time_and_id(row.period_start, row.invoice_id))


async def get_invoice(caller: Caller, invoice_id: UUID) -> Invoice:
    """One invoice with its lines."""
    place = {"tenant_id": caller.tenant_id, "invoice_id": invoice_id}
    async with caller.transaction() as connection:
        head = await fetch_known(connection, InvoiceHead, _sql.get_invoice, place, what="invoice")
        lines = await fetch_all(connection, InvoiceLine, _sql.list_invoice_lines, place)
    return Invoice(**head.model_dump(), lines=lines)
