"""Campaigns: create, plan, approve, launch, pause, cancel, watch."""
