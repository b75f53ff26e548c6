"""What a tenant declares of its contacts' attributes."""
