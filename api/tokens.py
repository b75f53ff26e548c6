"""Access tokens of people: short-lived JWTs, one fixed algorithm, nothing trusted from the header.

A token says who, of which tenant, in which session, never what is allowed: session, role and states
are read from the database on every request, so that a suspended person is out at once.
"""

import base64
import binascii
import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from core.domain.ids import TenantId, UserId, new_id

ALGORITHM: Final = "Ed25519"
ISSUER: Final = "carteiro"
AUDIENCE: Final = "carteiro-api"
TOKEN_TYPE: Final = "at+jwt"  # noqa: S105 - RFC 9068's media type, not a secret
LIFETIME: Final = timedelta(minutes=15)
LEEWAY_SECONDS: Final = 60
_MAX_LENGTH: Final = 2048
_HEADER_NAMES: Final = frozenset({"alg", "kid", "typ"})
_CLAIM_NAMES: Final = frozenset({"iss", "aud", "sub", "tid", "sid", "iat", "nbf", "exp", "jti"})
_PART: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """Who a token speaks for, and the session it was issued in."""

    tenant_id: TenantId
    user_id: UserId
    session_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckingKey:
    """The public half of a key, and until when what it signed is believed (None: no end yet)."""

    public: OKPKey
    retires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySet:
    """The key that signs, and all that are believed, by `kid`."""

    kid: str
    private: OKPKey
    checking: dict[str, CheckingKey]

    def issue(self, who: AccessToken, *, now: datetime) -> str:
        """A token for one person's session, valid for LIFETIME from `now`."""
        header = {"alg": ALGORITHM, "kid": self.kid, "typ": TOKEN_TYPE}
        issued = int(now.timestamp())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(who.user_id),
            "tid": str(who.tenant_id),
            "sid": str(who.session_id),
            "iat": issued,
            "nbf": issued,
            "exp": issued + int(LIFETIME.total_seconds()),
            "jti": str(new_id(now)),
        }
        payload = json.dumps(claims, separators=(",", ":")).encode()
        return jws.serialize_compact(header, payload, self.private, algorithms=[ALGORITHM])

    def read(self, token: str, *, now: datetime) -> AccessToken | None:
        """Who a token speaks for, or None when it isn't exactly one of ours; never raises."""
        kid = kid_of(token)
        key = None if kid is None else self.checking.get(kid)
        if key is None or (key.retires_at is not None and key.retires_at <= now):
            return None
        try:
            payload = jws.deserialize_compact(token, key.public, algorithms=[ALGORITHM]).payload
        except (JoseError, ValueError, TypeError):
            return None
        return _who(_object(payload), int(now.timestamp()))

    def jwks(self, now: datetime) -> list[dict[str, str]]:
        """The public halves that somebody may want to check tokens with (RFC 7517)."""
        return [
            {"kid": kid, "use": "sig", "alg": ALGORITHM}
            | {name: str(value) for name, value in key.public.as_dict(private=False).items()}
            for kid, key in sorted(self.checking.items())
            if key.retires_at is None or key.retires_at > now
        ]


def kid_of(token: str) -> str | None:
    """The `kid` of a text that has the shape and the header of our tokens, and nothing besides.

    No key, address or certificate named by the token itself is ever looked at.
    """
    parts = token.split(".") if len(token) <= _MAX_LENGTH else []
    if len(parts) != 3:
        return None
    decoded = [_decoded(part) for part in parts]
    header = _object(decoded[0])
    ours = (
        all(decoded)
        and header.keys() == _HEADER_NAMES
        and header["alg"] == ALGORITHM
        and header["typ"] == TOKEN_TYPE
        and isinstance(header["kid"], str)
    )
    return str(header["kid"]) if ours else None


def _decoded(part: str) -> bytes:
    """A part's bytes; empty unless it is written in the one way that RFC 7515 allows."""
    if _PART.fullmatch(part) is None:
        return b""
    try:
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        return b""
    # The last letter has bits that no byte needs: a token could be written in several ways.
    return raw if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() == part else b""


def _object(raw: bytes | None) -> dict[str, object]:
    """A JSON object whose names are all different; empty when it is anything else."""
    try:
        value = json.loads(raw or b"", object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name is repeated: two readers may believe two values")
    return value


def _who(claims: dict[str, object], now: int) -> AccessToken | None:
    if claims.keys() != _CLAIM_NAMES or not _is_for_us(claims, now):
        return None
    try:
        return AccessToken(
            tenant_id=TenantId(_uuid(claims["tid"])),
            user_id=UserId(_uuid(claims["sub"])),
            session_id=_uuid(claims["sid"]),
        )
    except (ValueError, TypeError):
        return None


def _is_for_us(claims: dict[str, object], now: int) -> bool:
    issued, begins, ends = claims["iat"], claims["nbf"], claims["exp"]
    # `True` is an int in Python; a float or a text is another reader's number.
    if not (type(issued) is int and type(begins) is int and type(ends) is int):
        return False
    return (
        claims["iss"] == ISSUER
        and claims["aud"] == AUDIENCE
        and issued <= now + LEEWAY_SECONDS
        and begins <= now + LEEWAY_SECONDS
        and now < ends + LEEWAY_SECONDS
        and ends - issued <= LIFETIME.total_seconds()
    )


def _uuid(value: object) -> UUID:
    if not isinstance(value, str):
        raise TypeError("an id is a text")
    return UUID(value)
