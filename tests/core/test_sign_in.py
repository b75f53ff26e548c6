"""One form of each address and slug, whatever way it is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.sign_in import canonical_email, canonical_slug
from core.errors import InvalidInput


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("Ana@Example.COM", "ana@example.com"),
        ("  ana@example.com ", "ana@example.com"),
        ("\uff41na@example.com", "ana@example.com"),
        ("o\ufb00ice@example.com", "office@example.com"),
        ("stra\u00dfe@example.com", "strasse@example.com"),
        ("\u0130da@example.com", "ida@example.com"),
        ("\u212aarl@example.com", "karl@example.com"),
        ("a@b\u00fccher.example", "a@xn--bcher-kva.example"),
        ("a@B\u00dcCHER.example", "a@xn--bcher-kva.example"),
        ("a@example\u3002com", "a@example.com"),
        ("first.last+tag@example.com", "first.last+tag@example.com"),
    ],
)
def test_spellings_of_one_address_are_one(written: str, form: str) -> None:
    assert canonical_email(written) == form


@pytest.mark.parametrize(
    "email",
    [
        "",
        "a",
        "a@",
        "@b",
        "a@b@c",
        "a b@c.d",
        "a@b c.d",
        ".a@b.c",
        "a.@b.c",
        "a..b@b.c",
        "p\u0430ypal@b.c",
        "a\u200db@b.c",
        "a\u202eb@b.c",
        "a\nb@b.c",
        "a@b..c",
        "a@-b.c",
        "a@[127.0.0.1]",
        "x" * 65 + "@b.c",
        "a@" + "b." * 130 + "c",
    ],
)
def test_what_is_no_address_or_looks_like_anothers_is_refused(email: str) -> None:
    with pytest.raises(InvalidInput):
        canonical_email(email)


@given(st.text(max_size=80))
def test_the_form_of_a_form_is_itself(text: str) -> None:
    for canonical, written in ((canonical_email, f"{text}@example.com"), (canonical_slug, text)):
        try:
            form = canonical(written)
        except InvalidInput:
            continue
        assert form.isascii()
        assert canonical(form) == form


def test_slugs_have_one_form_too() -> None:
    assert canonical_slug("Padaria-AURORA") == "padaria-aurora"
    assert canonical_slug("o\ufb00ice") == "office"
    for wrong in ("", "-a", "a-", "a--b", "a_b", "\u0430urora", "a" * 64):
        with pytest.raises(InvalidInput):
            canonical_slug(wrong)
