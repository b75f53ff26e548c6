"""Which passwords are refused, and how the others are kept."""

import pytest
from argon2 import PasswordHasher

from core import passwords
from core.domain.ids import TenantId, new_id
from core.errors import InvalidInput
from core.one_time_tokens import TokenKind, new_token, read_token

KNOWN = ("ana.oliveira@padaria-aurora.example", "Ana Oliveira", "padaria-aurora")


@pytest.mark.parametrize(
    "password",
    [
        "",
        "short",
        "elevenchars",
        "password1234",
        "P4ssw0rd!!!!",
        "dragon-2024-!!",
        "123456789012",
        "987654321098",
        "qwertyuiopqw",
        "abcdefghijklm",
        "aaaaaaaaaaaaaaaa",
        "abcdabcdabcd",
        "1qaz2wsx3edc",
        "aurora-padaria",
        "AnaOliveira2026",
        "x" * 257,
    ],
)
def test_obvious_passwords_are_refused(password: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        passwords.refuse_weak_password(password, known=KNOWN, pointer="/password")
    assert raised.value.pointer == "/password"
    assert password not in raised.value.detail or not password


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        "seven brown loaves on a shelf",
        "pão de queijo às 7h",
        "vQ7#mLz9!tRw2",
        "Aurora bakes at dawn, always",
    ],
)
def test_good_passwords_are_taken(password: str) -> None:
    passwords.refuse_weak_password(password, known=KNOWN, pointer="/password")


def test_a_password_is_kept_as_argon2id_with_the_stated_figures() -> None:
    stored = passwords.hash_password("seven brown loaves")
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert passwords.password_matches(stored, "seven brown loaves")
    assert not passwords.password_matches(stored, "seven brown loaves ")
    assert not passwords.is_outdated(stored)
    assert passwords.is_outdated(PasswordHasher(time_cost=2, memory_cost=19_456).hash("x"))


@pytest.mark.parametrize("stored", [None, "", "!", "$argon2id$broken"])
def test_who_has_no_password_is_nobody(stored: str | None) -> None:
    assert not passwords.password_matches(stored, "nobody has this password")


def test_the_same_keys_are_the_same_password_on_every_keyboard() -> None:
    stored = passwords.hash_password("pa\u0303o de queijo")
    assert passwords.password_matches(stored, "p\u00e3o de queijo")


def test_a_one_time_token_says_whose_it_is_and_proves_it_by_its_secret() -> None:
    tenant_id, thing_id = TenantId(new_id()), new_id()
    made = new_token(TokenKind.REFRESH, tenant_id, thing_id, generation=7)
    given = read_token(TokenKind.REFRESH, made.plaintext)
    assert given is not None
    assert (given.tenant_id, given.thing_id, given.generation) == (tenant_id, thing_id, 7)
    assert given.is_the_one(made.hash)
    assert not given.is_the_one(None)
    assert made.plaintext.encode() not in made.hash
    another = new_token(TokenKind.REFRESH, tenant_id, thing_id, generation=7)
    assert not given.is_the_one(another.hash)
    assert read_token(TokenKind.INVITATION, made.plaintext) is None


@pytest.mark.parametrize("text", ["", "ctr_refresh_", "ctr_refresh_a_b", "é" * 104, "x" * 10_000])
def test_what_has_not_the_shape_is_no_token(text: str) -> None:
    assert read_token(TokenKind.REFRESH, text) is None
