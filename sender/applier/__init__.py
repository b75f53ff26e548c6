"""The applier: raw webhook bodies become facts about messages, each exactly once."""
