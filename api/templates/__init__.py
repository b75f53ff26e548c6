"""Message templates, taken over from Meta."""
