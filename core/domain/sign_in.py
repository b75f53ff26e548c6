"""The one form of what people sign in with: e-mail addresses and tenants' slugs.

Two spellings that look or fold alike (`ﬀ`, `ß`, `İ`, full-width letters, capitals) are one address,
so that nobody gets an account beside somebody else's that reads the same.
"""

import re
import unicodedata
from typing import Final

import idna

from core.errors import InvalidInput

_LONGEST_ADDRESS: Final = 254
_LONGEST_NAME: Final = 64
_LONGEST_SLUG: Final = 63
_LOCAL: Final = re.compile(r"[!#$%&'*+\-/=?^_`{|}~.a-z0-9]+", re.ASCII)
_SLUG: Final = re.compile(r"[a-z0-9](-?[a-z0-9])*", re.ASCII)
#: What `İ` folds to: an i with a dot above it, which no reader tells from an i.
_DOTTED_I: Final = "i\u0307"


def canonical_email(email: str) -> str:
    """The one form of an address: NFKC and case folded, the domain in IDNA (xn--...).

    Raises InvalidInput when it isn't name@domain, or when the name has letters beyond ASCII after
    that: Cyrillic `а` and Latin `a` look alike and nothing folds them together.
    """
    name, _, domain = _folded(email).rpartition("@")
    plain = _LOCAL.fullmatch(name) is not None and len(name) <= _LONGEST_NAME
    dotted = name.startswith(".") or name.endswith(".") or ".." in name
    ascii_domain = _ascii_domain(domain)
    address = f"{name}@{ascii_domain}"
    if not plain or dotted or ascii_domain is None or len(address) > _LONGEST_ADDRESS:
        raise InvalidInput("an e-mail address is name@domain, the name in ASCII", pointer="/email")
    return address


def canonical_slug(slug: str) -> str:
    """The one form of a tenant's short name. Raises InvalidInput when it can be none."""
    folded = _folded(slug)
    if _SLUG.fullmatch(folded) is None or len(folded) > _LONGEST_SLUG:
        raise InvalidInput(
            "a slug is made of a-z, 0-9 and single hyphens, 63 at most", pointer="/slug"
        )
    return folded


def _folded(text: str) -> str:
    """Folding can undo a normal form and the other way round: both, until nothing changes."""
    before, folded = "", text.strip()
    while folded != before:
        before = folded
        folded = unicodedata.normalize("NFKC", folded).casefold().replace(_DOTTED_I, "i")
    return folded


def _ascii_domain(domain: str) -> str | None:
    try:
        return idna.encode(domain, uts46=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError):
        return None
