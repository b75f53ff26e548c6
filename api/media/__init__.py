"""Media files of a tenant."""
