"""The pacer: decides when; publishes tickets just in time."""
