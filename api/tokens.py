"""Access tokens of people: short-lived JWTs, one fixed algorithm, nothing trusted from the header.

A token says who and of which tenant, never what is allowed: role and states are read from the
database on every request, so that a suspended person is out at once.
"""

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from core.domain.ids import TenantId, UserId, new_id
from core.secrets import jwt_private_key_pem

ALGORITHM: Final = "Ed25519"
ISSUER: Final = "carteiro"
AUDIENCE: Final = "carteiro-api"
TOKEN_TYPE: Final = "at+jwt"  # noqa: S105 - RFC 9068's media type, not a secret
LIFETIME: Final = timedelta(minutes=15)
LEEWAY_SECONDS: Final = 60
_MAX_LENGTH: Final = 2048
_HEADER_NAMES: Final = frozenset({"alg", "kid", "typ"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """Who a token speaks for."""

    tenant_id: TenantId
    user_id: UserId


class TokenKeys:
    """The key that signs and checks access tokens; `kid` is a digest of its public half."""

    def __init__(self) -> None:
        self._private = OKPKey.import_key(jwt_private_key_pem())
        public = self._private.as_dict(private=False)
        self.kid = hashlib.sha256(json.dumps(public, sort_keys=True).encode()).hexdigest()[:16]
        self._public = OKPKey.import_key({**public, "use": "sig"})

    def issue(self, tenant_id: TenantId, user_id: UserId, *, now: datetime) -> str:
        """A token for one person, valid for LIFETIME from `now`."""
        header = {"alg": ALGORITHM, "kid": self.kid, "typ": TOKEN_TYPE}
        issued = int(now.timestamp())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(user_id),
            "tid": str(tenant_id),
            "iat": issued,
            "nbf": issued,
            "exp": issued + int(LIFETIME.total_seconds()),
            "jti": str(new_id(now)),
        }
        return jwt.encode(header, claims, self._private, algorithms=[ALGORITHM])

    def read(self, token: str, *, now: datetime) -> AccessToken | None:
        """Who a token speaks for, or None when it isn't exactly one of ours; never raises."""
        if len(token) > _MAX_LENGTH or not self._has_our_header(token):
            return None
        try:
            decoded = jwt.decode(token, self._public, algorithms=[ALGORITHM])
            _claims(now).validate(decoded.claims)
            return AccessToken(
                tenant_id=TenantId(UUID(decoded.claims["tid"])),
                user_id=UserId(UUID(decoded.claims["sub"])),
            )
        except (JoseError, ValueError, TypeError, AttributeError, KeyError):
            return None

    def _has_our_header(self, token: str) -> bool:
        """No key, address or certificate named by the token itself is ever looked at."""
        try:
            raw = token.split(".", 1)[0].encode("ascii")
            header = json.loads(base64.urlsafe_b64decode(raw + b"=" * (-len(raw) % 4)))
        except (UnicodeEncodeError, binascii.Error, ValueError, RecursionError):
            return False
        return (
            isinstance(header, dict)
            and set(header) == _HEADER_NAMES
            and header["alg"] == ALGORITHM
            and header["kid"] == self.kid
            and header["typ"] == TOKEN_TYPE
        )


def _claims(now: datetime) -> jwt.JWTClaimsRegistry:
    return jwt.JWTClaimsRegistry(
        now=int(now.timestamp()),
        leeway=LEEWAY_SECONDS,
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "value": AUDIENCE},
        sub={"essential": True},
        tid={"essential": True},
        iat={"essential": True},
        exp={"essential": True},
        nbf={"essential": True},
    )
