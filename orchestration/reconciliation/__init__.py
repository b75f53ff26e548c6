"""Meta's own count beside ours."""
