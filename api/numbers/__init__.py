"""The WhatsApp numbers of a tenant."""
