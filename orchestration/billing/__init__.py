"""Draft invoices from the published marts."""
