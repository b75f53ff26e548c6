"""Invoices as the tenant sees them."""
