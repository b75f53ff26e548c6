"""Writes one draft invoice a tenant and period into the live database's billing schema."""

from dataclasses import dataclass

import psycopg

from core.dsn import DatabaseRole
from core.settings import Settings
from core.store import invoice_drafts
from core.store.invoice_drafts import DraftOutcome, InvoiceDraft
from core.store.queries import load
from core.store.warehouse import warehouse_dsn


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenDraft:
    """A draft and what became of it; `reasons` are not empty when it is parked."""

    draft: InvoiceDraft
    outcome: DraftOutcome
    reasons: tuple[str, ...]


def write_drafts(settings: Settings, *, run_id: str) -> list[WrittenDraft]:
    """Draft every tenant's periods from what is published; a failure of one stops none before it.

    Each invoice is its own transaction: running again continues and leaves the same rows.
    """
    with psycopg.connect(warehouse_dsn(settings)) as warehouse:
        drafts = invoice_drafts.read_drafts(warehouse)
    written = []
    with psycopg.connect(settings.dsn(DatabaseRole.DATA), autocommit=True) as connection:
        for draft in drafts:
            outcome = invoice_drafts.write_draft(connection, draft, run_id=run_id)
            written.append(
                WrittenDraft(draft=draft, outcome=outcome, reasons=tuple(draft.park_reasons()))
            )
    return written


def list_parked(settings: Settings) -> list[tuple[object, ...]]:
    """Parked invoices: tenant, month, total, currency, reasons."""
    with psycopg.connect(settings.dsn(DatabaseRole.DATA)) as connection:
        rows = connection.execute(load("invoice_drafts").list_drafts).fetchall()
    return [
        (slug, f"{start:%Y-%m}", total, currency, ", ".join(reasons))
        for slug, start, currency, _net, _tax, total, status, reasons in rows
        if status == "parked"
    ]
