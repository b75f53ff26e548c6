"""WhatsApp accounts: how their access tokens are sealed at rest."""

from core.domain.ids import TenantId
from core.secrets import decrypt, encrypt


def seal_token(tenant_id: TenantId, token: str) -> bytes:
    """The access token as stored; it opens for this tenant only."""
    return encrypt(token, context=_context(tenant_id))


def open_token(tenant_id: TenantId, sealed: bytes) -> str:
    """The access token of a stored account. Raises DecryptionFailed."""
    return decrypt(sealed, context=_context(tenant_id))


def _context(tenant_id: TenantId) -> str:
    return f"waba-token:{tenant_id}"
