"""The keys that sign access tokens: made, published, used, withdrawn, each in its turn.

A key is published as `next` at least a day before it signs as `current`, so that whoever keeps a
copy of the JWKS has it by then. After that it is `retiring` for as long as a token that it signed
can live, and then `retired`. Private halves are encrypted with the master key; a key that signs no
more has none. Synchronous, for commands; each function runs in the caller's connection of role
`operator`, which commits.
"""

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from core.errors import Conflict
from core.secrets import decrypt, encrypt, jwt_private_key_pem
from core.store.queries import load

PUBLISHED_BEFORE_USE: Final = timedelta(hours=24)
#: A token lives 15 minutes, clocks differ by one, and a process may sign with a key for some
#: seconds after it was withdrawn.
BELIEVED_AFTER_USE: Final = timedelta(minutes=18)
_SQL = load("signing_keys")
Connection = psycopg.Connection[tuple[object, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyState:
    """One key as an operator sees it."""

    kid: str
    state: str
    created_at: datetime
    current_since: datetime | None
    retires_at: datetime | None


def key_id(public_jwk: dict[str, str]) -> str:
    """The `kid` of a key: a digest of its public half."""
    canonical = json.dumps(public_jwk, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def public_jwk(private_pem: bytes) -> dict[str, str]:
    """The public half of an Ed25519 key as a JWK (RFC 8037)."""
    raw = _load(private_pem).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    x = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    return {"crv": "Ed25519", "kty": "OKP", "x": x}


def open_private_key(kid: str, sealed: bytes) -> bytes:
    """The private half of a stored key as PEM. Raises DecryptionFailed."""
    return decrypt(sealed, context=_context(kid)).encode()


def list_keys(connection: Connection) -> list[KeyState]:
    """Every key there is, the newest first; none while the configured one is used."""
    with connection.cursor(row_factory=class_row(KeyState)) as cursor:
        return cursor.execute(_SQL.describe_signing_keys).fetchall()


def rotate(
    connection: Connection, *, now: datetime, early: bool = False, leaked: bool = False
) -> list[KeyState]:
    """Let the next key sign and publish another; returns the keys as they are then.

    The first time there is no next key: the configured one is taken over as current, and a next
    one is published. Raises Conflict when the next key has been public for less than 24 hours,
    unless `early`. With `leaked` the current key's tokens are worthless at once, however early.
    """
    connection.execute(_SQL.lock_signing_keys)
    connection.execute(_SQL.retire_keys, {"now": now})
    keys = {key.state: key for key in list_keys(connection)}
    if "current" not in keys:
        _insert(connection, jwt_private_key_pem(), "current", now)
        _insert(connection, _new_pem(), "next", now)
        if not leaked:
            return list_keys(connection)
    elif not (early or leaked) and now - keys["next"].created_at < PUBLISHED_BEFORE_USE:
        ready = keys["next"].created_at + PUBLISHED_BEFORE_USE
        raise Conflict(f"the next key has to be public for 24 hours: until {ready:%Y-%m-%dT%H:%MZ}")
    retires_at = now if leaked else now + BELIEVED_AFTER_USE
    connection.execute(_SQL.withdraw_current_key, {"retires_at": retires_at})
    connection.execute(_SQL.retire_keys, {"now": now})
    connection.execute(_SQL.promote_next_key, {"now": now})
    _insert(connection, _new_pem(), "next", now)
    return list_keys(connection)


def _insert(connection: Connection, private_pem: bytes, state: str, now: datetime) -> None:
    public = public_jwk(private_pem)
    kid = key_id(public)
    connection.execute(
        _SQL.insert_signing_key,
        {
            "kid": kid,
            "state": state,
            "public_jwk": Jsonb(public),
            "private_sealed": encrypt(private_pem.decode(), context=_context(kid)),
            "now": now,
            "current_since": now if state == "current" else None,
        },
    )


def _new_pem() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


def _load(private_pem: bytes) -> Ed25519PrivateKey:
    key = load_pem_private_key(private_pem, password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError("access tokens are signed with Ed25519 keys only")
    return key


def _context(kid: str) -> str:
    return f"jwt-key:{kid}"
