"""Files of contacts: what their rows say, and what the rows of one person come to together."""
