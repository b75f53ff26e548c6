"""The tenant API, and the place where Meta's webhooks land."""
