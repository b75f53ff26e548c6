"""Draft invoices: the rows billing.invoices gets from rated lines, and the guards before them.

Writing is idempotent by tenant and period: the same inputs leave the same bytes, ids and times.
What looks wrong is parked with reasons, never issued, never dropped. A final invoice is not
touched.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID, uuid5

import psycopg
from psycopg.types.json import Jsonb

from core.errors import InvariantBroken
from core.store.queries import load

_NAMESPACE = UUID("3f0b1c58-6d53-5c62-9a3e-51f3a8b1d7c4")
Connection = psycopg.Connection[tuple[object, ...]]


class DraftOutcome(StrEnum):
    """What writing a draft did."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"
    FINAL = "final"


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftLine:
    """One line; `net` and `tax` are already in minor units of the currency."""

    line_no: int
    kind: str
    category: str | None
    market: str | None
    description: str
    quantity: Decimal
    unit_price: Decimal | None
    net: Decimal
    tax: Decimal
    explanation: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceDraft:
    """The invoice of a tenant's month as the published marts have it."""

    tenant_id: UUID
    period_start: date
    period_end: date
    period_timezone: str
    period_start_at: datetime
    period_end_at: datetime
    plan_version_id: UUID
    currency: str
    currencies_count: int
    net: Decimal
    tax: Decimal
    total: Decimal
    delivered_count: int
    billed_count: int
    free_count: int
    held_count: int
    unknown_count: int
    lines: tuple[DraftLine, ...]

    @property
    def invoice_id(self) -> UUID:
        """One invoice a tenant and period, however often it is drafted."""
        return uuid5(_NAMESPACE, f"{self.tenant_id}/{self.period_start}/{self.period_end}")

    def digest(self) -> str:
        """SHA-256 over everything the invoice is made of."""
        lines = [
            [line.line_no, line.kind, line.category, line.market, line.description]
            + [_plain(value) for value in (line.quantity, line.unit_price, line.net, line.tax)]
            + [line.explanation]
            for line in self.lines
        ]
        head = [self.tenant_id, self.period_start, self.period_end, self.period_timezone]
        head += [self.plan_version_id, self.currency, _plain(self.net), _plain(self.tax)]
        text = json.dumps([head, lines, self.park_reasons()], default=str, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def park_reasons(self) -> list[str]:
        """Why this must not be issued; empty when every guard passes."""
        states = self.billed_count + self.free_count + self.held_count + self.unknown_count
        usage = sum((line.quantity for line in self.lines if line.kind == "usage"), Decimal())
        guards = {
            "more_than_one_currency": self.currencies_count != 1,
            "lines_do_not_sum_to_net": sum((x.net for x in self.lines), Decimal()) != self.net,
            "lines_do_not_sum_to_tax": sum((x.tax for x in self.lines), Decimal()) != self.tax,
            "net_and_tax_do_not_sum_to_total": self.net + self.tax != self.total,
            "states_do_not_sum_to_delivered": states != self.delivered_count,
            "billed_messages_not_in_lines": usage != self.billed_count,
            "messages_without_price": self.unknown_count > 0,
            "messages_held": self.held_count > 0,
            "negative_total": self.total < 0,
        }
        return [reason for reason, broken in guards.items() if broken]


def read_drafts(warehouse: Connection) -> list[InvoiceDraft]:
    """Every draft of the published marts, by tenant and period."""
    queries = load("invoice_drafts")
    drafts = []
    for row in warehouse.execute(queries.published_drafts).fetchall():
        values = dict(zip(_HEAD, row, strict=True))
        params = {"tenant_id": values["tenant_id"], "period_start": values["period_start"]}
        lines = warehouse.execute(queries.published_lines, params).fetchall()
        drafts.append(InvoiceDraft(**values, lines=tuple(_line(line) for line in lines)))  # type: ignore[arg-type]
    return drafts


def write_draft(connection: Connection, draft: InvoiceDraft, *, run_id: str) -> DraftOutcome:
    """Store a draft, parked when a guard fails; unchanged inputs change nothing at all.

    Raises InvariantBroken, writing nothing, when the stored lines do not sum to the invoice.
    """
    queries = load("invoice_drafts")
    digest, reasons = draft.digest(), draft.park_reasons()
    with connection.transaction():
        period = {
            "tenant_id": draft.tenant_id,
            "period_start": draft.period_start,
            "period_end": draft.period_end,
        }
        known = connection.execute(queries.lock_invoice, period).fetchone()
        if known is not None and known[1] == "final":
            return DraftOutcome.FINAL
        if known is not None and known[2] == digest:
            return DraftOutcome.UNCHANGED
        connection.execute(queries.upsert_invoice, _invoice_row(draft, digest, reasons, run_id))
        _write_lines(connection, draft)
    return DraftOutcome.WRITTEN


def _write_lines(connection: Connection, draft: InvoiceDraft) -> None:
    queries = load("invoice_drafts")
    key = {"tenant_id": draft.tenant_id, "invoice_id": draft.invoice_id}
    connection.execute(queries.delete_lines, key)
    for line in draft.lines:
        connection.execute(
            queries.insert_line,
            {
                **key,
                "line_no": line.line_no,
                "kind": line.kind,
                "category": line.category,
                "market": line.market,
                "description": line.description,
                "quantity": line.quantity,
                "unit_price": line.unit_price,
                "net": line.net,
                "tax": line.tax,
                "explanation": Jsonb(dict(line.explanation)),
            },
        )
    stored = connection.execute(queries.sum_lines, key).fetchone()
    parked = bool(draft.park_reasons())
    if not parked and (stored is None or (stored[0], stored[1]) != (draft.net, draft.tax)):
        raise InvariantBroken("the stored lines do not sum to their invoice; nothing was written")


def _invoice_row(
    draft: InvoiceDraft, digest: str, reasons: Sequence[str], run_id: str
) -> dict[str, object]:
    return {
        "tenant_id": draft.tenant_id,
        "invoice_id": draft.invoice_id,
        "period_start": draft.period_start,
        "period_end": draft.period_end,
        "period_timezone": draft.period_timezone,
        "period_start_at": draft.period_start_at,
        "period_end_at": draft.period_end_at,
        "currency": draft.currency,
        "status": "parked" if reasons else "draft",
        "parked_reasons": list(reasons),
        "plan_version_id": draft.plan_version_id,
        "net": draft.net,
        "tax": draft.tax,
        "total": draft.net + draft.tax,
        "inputs_digest": digest,
        "run_id": run_id,
    }


_HEAD = (
    "tenant_id", "period_start", "period_end", "period_timezone", "period_start_at",
    "period_end_at", "plan_version_id", "currency", "currencies_count", "net", "tax", "total",
    "delivered_count", "billed_count", "free_count", "held_count", "unknown_count",
)  # fmt: skip
_LINE = (
    "line_no", "kind", "category", "market", "description", "quantity", "unit_price", "net", "tax",
    "explanation",
)  # fmt: skip


def _line(row: tuple[object, ...]) -> DraftLine:
    return DraftLine(**dict(zip(_LINE, row, strict=True)))  # type: ignore[arg-type]


def _plain(value: Decimal | None) -> str | None:
    """One spelling of a number: 20 and 20.000000 are the same amount."""
    return None if value is None else format(value.normalize(), "f")
