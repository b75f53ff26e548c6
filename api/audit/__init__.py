"""The audit chain as its tenant reads it."""
