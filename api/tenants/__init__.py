"""The tenant itself: who it is, and the rules it has set for itself."""
