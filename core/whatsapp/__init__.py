"""Meta's WhatsApp Cloud API as bytes: what is sent to it and what it sends back."""
