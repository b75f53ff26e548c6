"""Notifier: tells tenants by webhook what happened."""
