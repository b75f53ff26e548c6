"""/v1/invoices."""

from fastapi import Request

from api.billing import service
from api.billing.schemas import Invoice, InvoiceStatus, InvoiceSummary
from api.deps import Cursor, InvoicesReader, Limit
from api.dto import Id, Page
from api.list_filters import MadeWhen
from api.openapi import problems
from api.routing import SliceRouter

router = SliceRouter(prefix="/v1/invoices", tags=["billing"])


@router.get("", operation_id="list_invoices", summary="Your invoices")
async def list_invoices(
    caller: InvoicesReader,
    request: Request,
    made: MadeWhen,
    state: InvoiceStatus | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[InvoiceSummary]:
    """Invoices, newest first; drafts change until they are final."""
    pager = caller.pager(request, cursor, limit)
    return await service.list_invoices(caller, pager, made=made, state=state)


@router.get(
    "/{invoice_id}",
    operation_id="get_invoice",
    summary="One invoice",
    responses=problems("not-found"),
)
async def get_invoice(caller: InvoicesReader, invoice_id: Id) -> Invoice:
    """An invoice with its lines, and what each line was computed from."""
    return await service.get_invoice(caller, invoice_id)
