"""The tenant itself: who it is, its API keys, its people signing in."""
