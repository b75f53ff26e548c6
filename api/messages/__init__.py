"""Single messages, and the story of every message."""
