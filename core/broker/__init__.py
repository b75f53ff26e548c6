"""The broker carries hints: losing all of it loses no message, for PostgreSQL holds the truth."""
