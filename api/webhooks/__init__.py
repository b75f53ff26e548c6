"""Where Meta's webhooks land: signature, one durable write, 200. Nothing is parsed here."""
