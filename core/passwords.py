"""Passwords: how they are stored, and which are refused.

Argon2id with 64 MiB, 3 passes, 4 lanes: the second choice of RFC 9106 (section 4), above OWASP's
minimum of 19 MiB and 2 passes (Password Storage Cheat Sheet, read 2026-11-23). Raise a figure here
and every hash follows at its person's next sign-in.
"""

import re
import unicodedata
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from core.errors import InvalidInput

LEAST_LENGTH: Final = 12
MOST_LENGTH: Final = 256
MEMORY_KIB: Final = 65_536
PASSES: Final = 3
LANES: Final = 4
_LIST: Final = Path(__file__).parent / "common_passwords.txt"
_HASHER: Final = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)
#: A part of the person's address shorter than this says too little to be refused.
_LEAST_TELLING: Final = 4
#: What must remain when everything that is easily guessed is taken away.
_LEAST_REST: Final = 8
_DISGUISES: Final = str.maketrans("@4301!$57", "aaeoiisst")
_ROWS: Final = ("abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "asdfghjkl", "zxcvbnm", "0123456789")


def hash_password(password: str) -> str:
    """The password as stored: an argon2id hash with its own salt. Takes about 0.1 s of a core."""
    return _HASHER.hash(_one_form(password))


def password_matches(stored: str | None, password: str) -> bool:
    """Whether this is the password of a stored hash; as slow for None, which nobody's matches."""
    try:
        _HASHER.verify(stored or _nobodys_hash(), _one_form(password))
    except (VerificationError, InvalidHashError):
        return False
    return bool(stored)


def is_outdated(stored: str) -> bool:
    """Whether a hash was made with other figures than those of today."""
    return _HASHER.check_needs_rehash(stored)


def refuse_weak_password(password: str, *, known: tuple[str, ...] = (), pointer: str) -> None:
    """Raise InvalidInput for a short, common or obvious password.

    `known` are texts that everybody knows of the person: address, name, the tenant's slug.
    """
    form = _one_form(password)
    if len(form) < LEAST_LENGTH:
        raise InvalidInput(f"a password has at least {LEAST_LENGTH} characters", pointer=pointer)
    if len(form) > MOST_LENGTH:
        raise InvalidInput(f"a password has at most {MOST_LENGTH} characters", pointer=pointer)
    if _is_common(form):
        raise InvalidInput("the password is one of the commonest, or nearly", pointer=pointer)
    if _is_monotonous(form):
        raise InvalidInput("the password repeats itself or runs along the keys", pointer=pointer)
    if _is_made_of(form, known):
        raise InvalidInput(
            "the password is little more than the address, the name or the tenant", pointer=pointer
        )


def _one_form(password: str) -> str:
    """What two keyboards may write differently for the same keys (RFC 8265: NFC)."""
    return unicodedata.normalize("NFC", password)


@lru_cache(maxsize=1)
def _nobodys_hash() -> str:
    return _HASHER.hash("nobody has this password")


@cache
def _commonest() -> frozenset[str]:
    lines = _LIST.read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


def _is_common(password: str) -> bool:
    """Whether the list has it, also with digits and marks around it or in disguise (p4ssw0rd)."""
    folded = password.casefold()
    forms = {folded, folded.translate(_DISGUISES)}
    forms |= {re.sub(r"^[\W\d_]+|[\W\d_]+$", "", form) for form in forms}
    return not forms.isdisjoint(_commonest())


def _is_monotonous(password: str) -> bool:
    folded = password.casefold()
    if len(set(folded)) < 5:
        return True
    repeated = (folded + folded).find(folded, 1) < len(folded)
    rows = [row * 3 for row in _ROWS]
    along = any(folded in row or folded[::-1] in row for row in rows)
    return repeated or along


def _is_made_of(password: str, known: tuple[str, ...]) -> bool:
    folded = password.casefold()
    rest = folded
    parts = {part for text in known for part in re.split(r"[\W_]+", text.casefold())}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= _LEAST_TELLING:
            rest = rest.replace(part, "")
    return rest != folded and len(rest) < _LEAST_REST
