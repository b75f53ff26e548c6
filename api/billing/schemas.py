"""What the billing slice gives. Amounts are decimal text, never floats."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from api.dto import Answer

InvoiceStatus = Literal["draft", "parked", "final"]


class InvoiceSummary(Answer):
    """An invoice in a list."""

    invoice_id: UUID
    period_start: date = Field(description="First day, in the zone of the period.")
    period_end: date = Field(description="The day after the last.")
    period_timezone: str
    currency: str
    status: InvoiceStatus
    parked_reasons: list[str] = Field(description="Why a parked invoice isn't issued.")
    net: Decimal
    tax: Decimal
    total: Decimal
    created_at: datetime
    updated_at: datetime


class InvoiceLine(Answer):
    """One line and what it was computed from."""

    line_no: int
    kind: str
    category: str | None
    market: str | None
    description: str
    quantity: Decimal
    unit_price: Decimal | None
    net: Decimal
    tax: Decimal
    explanation: dict[str, Any]


class InvoiceHead(InvoiceSummary):
    """An invoice without its lines."""

    period_start_at: datetime
    period_end_at: datetime
    inputs_digest: str = Field(description="Same inputs, same digest, same invoice.")
    plan: str
    plan_version: int


class Invoice(InvoiceHead):
    """An invoice with its lines; net + tax = total, line by line and as a whole."""

    lines: list[InvoiceLine]
