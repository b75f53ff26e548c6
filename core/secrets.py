"""Everything secret: encryption at rest, callback tokens, API keys, the key that signs JWTs.

One master key (CARTEIRO_SECRET_KEY, 32 bytes in base64); each purpose has its own subkey by HKDF,
so that no output of one purpose is of use in another. CARTEIRO_SECRET_KEY_PREVIOUS is still
accepted for reading while keys rotate; writing always uses the current one.
"""

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import string
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from core.domain.ids import MessageId, TenantId
from core.errors import CarteiroError, ConfigurationError
from core.settings import get_settings

_KEY_BYTES: Final = 32
_BLOB_FORMAT: Final = b"\x01"
_KEY_ID_BYTES: Final = 4
_NONCE_BYTES: Final = 12
_TOKEN_VERSION: Final = "c1"  # noqa: S105 - a format, not a secret
_TOKEN_MAC_BYTES: Final = 16
_TOKEN_FIELDS: Final = struct.Struct(">16s16sI")
_URL_SAFE: Final = bytes.maketrans(b"-_", b"+/")
_KEY_ALPHABET: Final = string.ascii_letters + string.digits
_KEY_BRAND: Final = "ctr_live"
_KEY_PREFIX_LENGTH: Final = 8
_KEY_SECRET_LENGTH: Final = 43  # 43 characters of 62 carry 256 bits.


class DecryptionFailed(CarteiroError):
    """The blob was made with another key, for another context, or was altered."""

    code = "decryption-failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackToken:
    """Which attempt of which message a status webhook speaks of."""

    tenant_id: TenantId
    message_id: MessageId
    attempt_no: int


class NewApiKey(NamedTuple):
    """A fresh API key: `plaintext` is shown once, `prefix` and `hash` are stored."""

    plaintext: str
    prefix: str
    hash: bytes


class Keyring:
    """The subkeys of one master key. Raises ConfigurationError when it isn't 32 bytes in base64."""

    def __init__(self, secret_key: str) -> None:
        """Derive each purpose's subkey once."""
        self._master = _decode_master(secret_key)
        self.key_id = self._derive("key-id", _KEY_ID_BYTES)
        self.cipher = AESGCM(self._derive("encrypt"))
        self.callback_key = self._derive("callback-token")
        self.api_key_pepper = self._derive("api-key-pepper")

    def _derive(self, purpose: str, length: int = _KEY_BYTES) -> bytes:
        info = b"carteiro/v1/" + purpose.encode()
        return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(self._master)

    def subkey(self, purpose: str) -> bytes:
        """32 bytes for a purpose of their own, the same in every process with the same master."""
        return self._derive(f"purpose/{purpose}")

    def jwt_seed(self) -> bytes:
        """The 32 bytes that are the Ed25519 private key when no PEM is configured."""
        return self._derive("jwt-ed25519")


def new_secret_key() -> str:
    """A master key as CARTEIRO_SECRET_KEY wants it: 32 random bytes in base64."""
    return base64.b64encode(os.urandom(_KEY_BYTES)).decode()


def encrypt(plaintext: str, *, context: str) -> bytes:
    """Encrypt with AES-256-GCM; only `decrypt` with the same `context` can read it.

    `context` names where the value lives (for example `waba-token:<tenant id>`), so that a blob
    moved to another row or tenant doesn't open. Layout: format 1, key id 4, nonce 12, text + tag.
    """
    ring = _current()
    head = _BLOB_FORMAT + ring.key_id
    nonce = os.urandom(_NONCE_BYTES)
    return head + nonce + ring.cipher.encrypt(nonce, plaintext.encode(), head + context.encode())


def decrypt(blob: bytes, *, context: str) -> str:
    """Read what `encrypt` wrote for the same context. Raises DecryptionFailed."""
    blob = bytes(blob)
    head, rest = blob[: 1 + _KEY_ID_BYTES], blob[1 + _KEY_ID_BYTES :]
    if head[:1] != _BLOB_FORMAT:
        raise DecryptionFailed("an encrypted value has an unknown format")
    ring = next((ring for ring in _rings() if ring.key_id == head[1:]), None)
    if ring is None:
        raise DecryptionFailed("an encrypted value was made with a key that isn't configured")
    try:
        plain = ring.cipher.decrypt(
            rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], head + context.encode()
        )
    except (InvalidTag, ValueError) as error:
        raise DecryptionFailed("an encrypted value doesn't fit its context") from error
    return plain.decode()


def sign_callback(tenant_id: TenantId, message_id: MessageId, attempt_no: int) -> str:
    """The token that a send carries in `biz_opaque_callback_data` and every status brings back.

    76 characters (Meta allows 512); it holds two random ids and a number, no personal data.
    """
    fields = _TOKEN_FIELDS.pack(tenant_id.bytes, message_id.bytes, attempt_no)
    payload = f"{_TOKEN_VERSION}.{_b64(fields)}"
    return f"{payload}.{_b64(_token_mac(_current(), payload))}"


def read_callback(token: str) -> CallbackToken | None:
    """What a token says, or None when it isn't ours; never raises, compares in constant time."""
    payload, _, given = token.rpartition(".")
    prefix, _, body = payload.partition(".")
    if prefix != _TOKEN_VERSION or not token.isascii():
        return None
    mac = _unb64(given)
    fields = _unb64(body)
    if mac is None or fields is None or len(fields) != _TOKEN_FIELDS.size:
        return None
    valid = [hmac.compare_digest(_token_mac(ring, payload), mac) for ring in _rings()]
    if not any(valid):
        return None
    tenant, message, attempt_no = _TOKEN_FIELDS.unpack(fields)
    return CallbackToken(
        tenant_id=_tenant(tenant),
        message_id=MessageId(UUID(bytes=message)),
        attempt_no=attempt_no,
    )


@lru_cache(maxsize=1_024)
def _tenant(raw: bytes) -> TenantId:
    """Few tenants, a token a status: a UUID costs as much as the token's MAC."""
    return TenantId(UUID(bytes=raw))


def new_api_key() -> NewApiKey:
    """A fresh API key `ctr_live_<8 characters>_<43 characters>`; the prefix finds its row."""
    prefix = "".join(secrets.choice(_KEY_ALPHABET) for _ in range(_KEY_PREFIX_LENGTH))
    secret = "".join(secrets.choice(_KEY_ALPHABET) for _ in range(_KEY_SECRET_LENGTH))
    plaintext = f"{_KEY_BRAND}_{prefix}_{secret}"
    return NewApiKey(plaintext=plaintext, prefix=prefix, hash=hash_api_key(plaintext))


def api_key_prefix(plaintext: str) -> str | None:
    """The 8 characters that find a key's row, or None when this isn't the shape of our keys."""
    brand, _, rest = plaintext.rpartition("_")[0].rpartition("_")
    secret = plaintext.rpartition("_")[2]
    well_formed = (
        brand == _KEY_BRAND
        and len(rest) == _KEY_PREFIX_LENGTH
        and len(secret) == _KEY_SECRET_LENGTH
        and all(character in _KEY_ALPHABET for character in rest + secret)
    )
    return rest if well_formed else None


def hash_api_key(plaintext: str) -> bytes:
    """32 bytes to store in place of the key.

    HMAC-SHA-256 with a pepper, not a slow hash: a key holds 256 random bits, so guessing is
    hopeless, and it is checked on every request.
    """
    return _api_key_hash(_current(), plaintext)


def api_key_matches(plaintext: str, stored_hash: bytes) -> bool:
    """Whether a key is the one whose hash was stored, also with the previous master key."""
    stored = bytes(stored_hash)
    matches = [hmac.compare_digest(_api_key_hash(ring, plaintext), stored) for ring in _rings()]
    return any(matches)


def jwt_private_key_pem() -> bytes:
    """The Ed25519 key that signs access tokens, as PKCS 8 PEM.

    CARTEIRO_JWT_PRIVATE_KEY when set, else derived from the master key, so that every process of
    an installation signs alike without another secret. Raises ConfigurationError for other keys.
    """
    pem = get_settings().jwt_private_key
    key = _load_ed25519(pem.get_secret_value()) if pem else _derived_jwt_key()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def subkey(purpose: str) -> bytes:
    """32 bytes for a purpose that has no function here, such as the lake's keyed hash."""
    return _current().subkey(purpose)


def _derived_jwt_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(_current().jwt_seed())


def _load_ed25519(pem: str) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise ConfigurationError("CARTEIRO_JWT_PRIVATE_KEY is not a PEM private key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError("CARTEIRO_JWT_PRIVATE_KEY must be an Ed25519 key")
    return key


def _current() -> Keyring:
    return _ring(get_settings().require("secret_key"))


def _rings() -> tuple[Keyring, ...]:
    previous = get_settings().secret_key_previous
    return (_current(), _ring(previous.get_secret_value())) if previous else (_current(),)


@lru_cache(maxsize=4)
def _ring(secret_key: str) -> Keyring:
    return Keyring(secret_key)


def _decode_master(secret_key: str) -> bytes:
    try:
        master = base64.b64decode(secret_key.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        master = b""
    if len(master) != _KEY_BYTES:
        raise ConfigurationError("CARTEIRO_SECRET_KEY must be 32 bytes in base64")
    return master


def _token_mac(ring: Keyring, payload: str) -> bytes:
    return hmac.digest(ring.callback_key, payload.encode(), "sha256")[:_TOKEN_MAC_BYTES]


def _api_key_hash(ring: Keyring, plaintext: str) -> bytes:
    # Surrogates can come out of a header decoded leniently; they must not raise here.
    message = plaintext.encode("utf-8", "surrogatepass")
    return hmac.new(ring.api_key_pepper, message, hashlib.sha256).digest()


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unb64(text: str) -> bytes | None:
    padded = text.encode().translate(_URL_SAFE) + b"=" * (-len(text) % 4)
    try:
        return binascii.a2b_base64(padded, strict_mode=True)
    except binascii.Error:
        return None
