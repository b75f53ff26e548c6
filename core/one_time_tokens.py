"""Tokens that work once: invitations and refresh tokens.

A token says whose it is (tenant, thing, generation) and carries 256 random bits; only the SHA-256
of the whole is stored. So its row is found under the tenant's own policy, and what the token says
is worth nothing without the secret.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from core.domain.ids import TenantId

_FIELDS: Final = struct.Struct(">16s16sI")
_SECRET_BYTES: Final = 32
_SHAPE: Final = re.compile(r"(ctr_[a-z]+)_([A-Za-z0-9.-]{48})_([A-Za-z0-9.-]{43})", re.ASCII)
#: Base64 for addresses but with a dot in place of `_`, which separates the parts.
_ALPHABET: Final = b"-."


class TokenKind(StrEnum):
    """What a token is for; its first letters say so, and no kind is taken for another."""

    INVITATION = "ctr_invite"
    REFRESH = "ctr_refresh"


class NewToken(NamedTuple):
    """A fresh token: `plaintext` is shown once, `hash` is stored."""

    plaintext: str
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenToken:
    """What a token that somebody brought says; nothing of it is proved before `is_the_one`."""

    tenant_id: TenantId
    thing_id: UUID
    generation: int
    hash: bytes

    def is_the_one(self, stored_hash: bytes | None) -> bool:
        """Whether this is the token whose hash was stored, in constant time."""
        return stored_hash is not None and hmac.compare_digest(self.hash, bytes(stored_hash))


def new_token(
    kind: TokenKind, tenant_id: TenantId, thing_id: UUID, *, generation: int = 1
) -> NewToken:
    """A fresh token of a tenant's person or session."""
    place = _text(_FIELDS.pack(tenant_id.bytes, thing_id.bytes, generation))
    plaintext = f"{kind}_{place}_{_text(secrets.token_bytes(_SECRET_BYTES))}"
    return NewToken(plaintext=plaintext, hash=_hash(plaintext))


def read_token(kind: TokenKind, plaintext: str) -> GivenToken | None:
    """What a text says that has the shape of this kind; None for any other, never raises."""
    found = _SHAPE.fullmatch(plaintext)
    if found is None or found[1] != kind:
        return None
    try:
        fields = base64.b64decode(found[2], altchars=_ALPHABET, validate=True)
        tenant, thing, generation = _FIELDS.unpack(fields)
    except (binascii.Error, struct.error):
        return None
    return GivenToken(
        tenant_id=TenantId(UUID(bytes=tenant)),
        thing_id=UUID(bytes=thing),
        generation=generation,
        hash=_hash(plaintext),
    )


def _text(raw: bytes) -> str:
    return base64.b64encode(raw, altchars=_ALPHABET).rstrip(b"=").decode()


def _hash(plaintext: str) -> bytes:
    # Not a slow hash: 256 random bits can't be guessed.
    return hashlib.sha256(plaintext.encode()).digest()
