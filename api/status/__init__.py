"""System status: what works for the tenant now."""
