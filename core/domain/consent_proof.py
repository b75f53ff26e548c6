"""The proof of a person's consents: a document whose every entry and whose whole can be checked.

Each entry's hash covers the one before it, so that none can be changed, dropped or put elsewhere;
the digest covers the document. Whoever holds a document checks it without us.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Final

FORMAT: Final = "carteiro.consent-proof/1"
_HASH: Final = "hash"
_DIGEST: Final = "digest"


def chain(contact_id: str, entries: Sequence[Mapping[str, object]]) -> list[str]:
    """The hash of each entry, oldest first, in hex.

    SHA-256 over the hash before it, a line feed, and the entry without its hash as canonical JSON:
    keys sorted, no spaces, UTF-8. The first one follows the contact's id.
    """
    before, hashes = contact_id, []
    for entry in entries:
        said = {name: value for name, value in entry.items() if name != _HASH}
        before = hashlib.sha256(f"{before}\n{_canonical(said)}".encode()).hexdigest()
        hashes.append(before)
    return hashes


def digest(document: Mapping[str, object]) -> str:
    """SHA-256, in hex, over the document without its digest, as canonical JSON."""
    rest = {name: value for name, value in document.items() if name != _DIGEST}
    return hashlib.sha256(_canonical(rest).encode()).hexdigest()


def is_whole(document: Mapping[str, object]) -> bool:
    """Whether the document is as it was made."""
    entries, given = document.get("entries"), document.get(_DIGEST)
    if not isinstance(entries, list) or not isinstance(given, str):
        return False
    if not all(isinstance(entry, dict) for entry in entries):
        return False
    hashes = chain(str(document.get("contact_id")), entries)
    return hashes == [entry.get(_HASH) for entry in entries] and hmac.compare_digest(
        given.encode(), digest(document).encode()
    )


def _canonical(value: Mapping[str, object]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
