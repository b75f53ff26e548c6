"""Webhook endpoints: where a tenant is told what happens, and what became of it."""
