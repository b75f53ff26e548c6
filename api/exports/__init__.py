"""Files with a tenant's own data."""
