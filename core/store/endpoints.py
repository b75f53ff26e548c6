"""Webhook endpoints of tenants: their secrets, sealed at rest."""

import base64
import secrets
from typing import Final
from uuid import UUID

from core.domain.ids import TenantId
from core.secrets import decrypt, encrypt

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - a format, not a secret
_SECRET_BYTES: Final = 32


def new_secret() -> str:
    """A signing secret as Standard Webhooks writes it: `whsec_` and 32 random bytes in base64."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def seal_secret(tenant_id: TenantId, endpoint_id: UUID, secret: str) -> bytes:
    """The secret as it is stored: it opens for this endpoint of this tenant only."""
    return encrypt(secret, context=_context(tenant_id, endpoint_id))


def open_secret(tenant_id: TenantId, endpoint_id: UUID, sealed: bytes) -> str:
    """Read what `seal_secret` wrote. Raises DecryptionFailed."""
    return decrypt(sealed, context=_context(tenant_id, endpoint_id))


def _context(tenant_id: TenantId, endpoint_id: UUID) -> str:
    return f"webhook-secret:{tenant_id}:{endpoint_id}"
