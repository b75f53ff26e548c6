"""Usage: what was delivered, by day, category and market."""
