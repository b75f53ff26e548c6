"""The people of a tenant: invited, given a role, suspended, removed."""
