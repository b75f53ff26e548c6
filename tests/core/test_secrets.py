"""Secrets: what is sealed opens only where it belongs."""

import base64
from collections.abc import Iterator
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from core import secrets
from core.domain.ids import MessageId, TenantId, new_id
from core.errors import ConfigurationError
from core.settings import get_settings

TENANT, MESSAGE = TenantId(new_id()), MessageId(new_id())
OLD_KEY, NEW_KEY = secrets.new_secret_key(), secrets.new_secret_key()


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    use_keys(monkeypatch, current=OLD_KEY)
    yield
    get_settings.cache_clear()


def use_keys(monkeypatch: pytest.MonkeyPatch, *, current: str, previous: str | None = None) -> None:
    monkeypatch.setenv("CARTEIRO_SECRET_KEY", current)
    monkeypatch.setenv("CARTEIRO_SECRET_KEY_PREVIOUS", previous or "")
    get_settings.cache_clear()


@pytest.mark.parametrize("plaintext", ["", "EAAtoken", "é\x00\U0001f4ee", "x" * 10_000])
def test_what_is_encrypted_is_read_back_in_its_context(plaintext: str) -> None:
    blob = secrets.encrypt(plaintext, context="waba-token:a")
    assert secrets.decrypt(blob, context="waba-token:a") == plaintext
    assert plaintext == "" or plaintext.encode() not in blob
    assert blob != secrets.encrypt(plaintext, context="waba-token:a")


def test_a_blob_moved_to_another_row_does_not_open() -> None:
    blob = secrets.encrypt("EAAtoken", context="waba-token:a")
    with pytest.raises(secrets.DecryptionFailed):
        secrets.decrypt(blob, context="waba-token:b")


@pytest.mark.parametrize("position", [0, 1, 5, 17, -1])
def test_an_altered_blob_does_not_open(position: int) -> None:
    blob = bytearray(secrets.encrypt("EAAtoken", context="c"))
    blob[position] ^= 1
    with pytest.raises(secrets.DecryptionFailed):
        secrets.decrypt(bytes(blob), context="c")


@given(st.binary(max_size=60))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_open_by_chance(blob: bytes) -> None:
    with pytest.raises(secrets.DecryptionFailed):
        secrets.decrypt(blob, context="c")


def test_while_keys_rotate_the_old_one_reads_and_the_new_one_writes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    blob = secrets.encrypt("EAAtoken", context="c")
    token = secrets.sign_callback(TENANT, MESSAGE, 1)
    api_key = secrets.new_api_key()
    use_keys(monkeypatch, current=NEW_KEY, previous=OLD_KEY)
    assert secrets.decrypt(blob, context="c") == "EAAtoken"
    assert secrets.read_callback(token) is not None
    assert secrets.api_key_matches(api_key.plaintext, api_key.hash)
    written = secrets.encrypt("EAAtoken", context="c")
    use_keys(monkeypatch, current=NEW_KEY)
    assert secrets.decrypt(written, context="c") == "EAAtoken"
    assert secrets.read_callback(token) is None
    assert not secrets.api_key_matches(api_key.plaintext, api_key.hash)
    with pytest.raises(secrets.DecryptionFailed):
        secrets.decrypt(blob, context="c")


def test_a_callback_token_tells_message_and_attempt_and_fits_meta_s_limit() -> None:
    token = secrets.sign_callback(TENANT, MESSAGE, 65_536)
    assert len(token) <= 512
    read = secrets.read_callback(token)
    assert read == secrets.CallbackToken(tenant_id=TENANT, message_id=MESSAGE, attempt_no=65_536)


@pytest.mark.parametrize("part", [1, 2])
def test_a_callback_token_with_any_character_changed_is_refused(part: int) -> None:
    parts = secrets.sign_callback(TENANT, MESSAGE, 1).split(".")
    for index in range(len(parts[part]) - 1):
        changed = list(parts[part])
        changed[index] = "A" if changed[index] != "A" else "B"
        forged = [*parts[:part], "".join(changed), *parts[part + 1 :]]
        assert secrets.read_callback(".".join(forged)) is None


@given(st.one_of(st.text(max_size=120), st.from_regex(r"c1\.[\w-]{46}\.[\w-]{22}")))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_is_a_callback_token_by_chance(token: str) -> None:
    assert secrets.read_callback(token) is None


def test_an_api_key_is_found_by_prefix_and_proved_by_hash() -> None:
    made = secrets.new_api_key()
    assert made.plaintext.startswith(f"ctr_live_{made.prefix}_")
    assert secrets.api_key_prefix(made.plaintext) == made.prefix
    assert len(made.prefix) == 8
    assert made.hash == secrets.hash_api_key(made.plaintext)
    assert made.plaintext.encode() not in made.hash
    assert secrets.api_key_matches(made.plaintext, made.hash)
    assert not secrets.api_key_matches(made.plaintext[:-1] + "!", made.hash)
    assert not secrets.api_key_matches(secrets.new_api_key().plaintext, made.hash)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ctr_live_",
        "ctr_live_abc_def",
        "ctr_test_abcdefgh_" + "x" * 43,
        "ctr_live_abcdefgh_" + "x" * 42,
        "ctr_live_abcdefgh_" + "é" * 43,
        "ctr_live_abcdef%h_" + "x" * 43,
    ],
)
def test_what_is_no_api_key_has_no_prefix(text: str) -> None:
    assert secrets.api_key_prefix(text) is None


def test_a_lone_surrogate_is_no_key_and_no_crash() -> None:
    assert not secrets.api_key_matches("\ud800", secrets.new_api_key().hash)


def test_the_signing_key_is_derived_alike_in_every_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = secrets.jwt_private_key_pem()
    assert isinstance(load_pem_private_key(first, password=None), Ed25519PrivateKey)
    use_keys(monkeypatch, current=NEW_KEY)
    assert secrets.jwt_private_key_pem() != first
    use_keys(monkeypatch, current=OLD_KEY)
    assert secrets.jwt_private_key_pem() == first


def test_a_configured_signing_key_must_be_ed25519(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    monkeypatch.setenv("CARTEIRO_JWT_PRIVATE_KEY", own.decode())
    get_settings.cache_clear()
    assert secrets.jwt_private_key_pem() == own
    foreign = rsa.generate_private_key(65_537, 2048).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    for wrong in (foreign.decode(), "not a key"):
        monkeypatch.setenv("CARTEIRO_JWT_PRIVATE_KEY", wrong)
        get_settings.cache_clear()
        with pytest.raises(ConfigurationError) as raised:
            secrets.jwt_private_key_pem()
        assert wrong not in str(raised.value)


def test_purposes_share_no_key() -> None:
    ring = secrets.Keyring(OLD_KEY)
    keys = [
        ring.callback_key,
        ring.api_key_pepper,
        ring.jwt_seed(),
        ring.subkey("lake"),
        ring.subkey("encrypt"),
        base64.b64decode(OLD_KEY),
    ]
    assert len(set(keys)) == len(keys)
    assert secrets.subkey("lake") == ring.subkey("lake")


@pytest.mark.parametrize(
    "wrong", ["", "short", base64.b64encode(b"x" * 31).decode(), "!" * 44, "é" * 44]
)
def test_a_master_key_that_is_not_32_bytes_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    use_keys(monkeypatch, current=wrong)
    with pytest.raises(ConfigurationError, match="CARTEIRO_SECRET_KEY") as raised:
        secrets.encrypt("x", context="c")
    assert not wrong or wrong not in str(raised.value)


def test_ids_inside_a_token_keep_their_type() -> None:
    read = secrets.read_callback(secrets.sign_callback(TENANT, MESSAGE, 0))
    assert read is not None
    assert isinstance(read.tenant_id, UUID)
