"""People described by a filter."""
