"""The worker: takes tickets, claims their messages, sends them, records what happened."""
