"""Files for tenants: what they asked for, and the standing export of each month."""
