"""The audit chain: every entry's hash covers the entry, its place and the hash before it.

    entry_hash = sha256("carteiro-audit-1\\n" + previous_hash + canonical(entry, sequence))

The canonical form is JSON in ASCII: keys sorted by code point, no spaces, everything outside ASCII
as \\uXXXX, ids in lower case, instants as 2026-11-23T19:30:00.123456Z, bytes in hex. The first
entry of a chain has sequence 1 and a previous hash of 32 zero bytes.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from core.domain.ids import TenantId
from core.errors import InvalidInput

PLATFORM: Final = TenantId(UUID(int=0))
"""Whose chain holds what operators do that concerns no single tenant."""
_HEAD: Final = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})", re.ASCII)
_PREFIX: Final = b"carteiro-audit-1\n"
_LATEST_COMMIT: Final = timedelta(minutes=10)
"""Entries are dated just before their commit, and commits end within a minute."""


class ActorKind(StrEnum):
    """Who an actor is; its name begins with the same word."""

    USER = "user"
    API_KEY = "api_key"
    OPERATOR = "operator"
    SYSTEM = "system"


class Flaw(StrEnum):
    """What can be wrong with a chain."""

    CHANGED = "changed"
    MISSING = "missing"
    DOUBLED = "doubled"
    UNLINKED = "unlinked"
    BACKDATED = "backdated"
    TRUNCATED = "truncated"
    HEAD_DIFFERS = "head-differs"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Who did what to what, and when; `details` hold ids, names of fields and counts only."""

    tenant_id: TenantId
    entry_id: UUID
    at: datetime
    actor: str
    actor_kind: str
    operation: str
    target_kind: str
    target_id: str
    request_id: UUID | None
    address_digest: bytes | None
    outcome: str
    details: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A place in a chain: the number of an entry and its hash."""

    sequence: int
    entry_hash: bytes

    def __str__(self) -> str:
        """As people copy it: `4711:ab12...`."""
        return f"{self.sequence}:{self.entry_hash.hex()}"


START: Final = Head(sequence=0, entry_hash=bytes(32))


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What the sealer adds to an entry."""

    sequence: int
    previous_hash: bytes
    entry_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One flaw, and the number of the entry at which it shows."""

    flaw: Flaw
    sequence: int
    text: str


def read_head(text: str) -> Head:
    """The head that was written down as `sequence:hash`. Raises InvalidInput."""
    found = _HEAD.fullmatch(text)
    if found is None:
        raise InvalidInput("a head is written as its sequence, a colon and 64 hex digits")
    return Head(sequence=int(found[1]), entry_hash=bytes.fromhex(found[2]))


def canonical(entry: AuditEntry, sequence: int) -> bytes:
    """The bytes that are hashed: the same for the same facts, whatever wrote them."""
    facts = {**as_json(entry), "sequence": sequence}
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def as_json(entry: AuditEntry) -> dict[str, object]:
    """The entry as it is exported and hashed, but for its place in the chain."""
    return {
        "tenant_id": str(entry.tenant_id),
        "entry_id": str(entry.entry_id),
        "at": f"{entry.at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z",
        "actor": entry.actor,
        "actor_kind": entry.actor_kind,
        "operation": entry.operation,
        "target_kind": entry.target_kind,
        "target_id": entry.target_id,
        "request_id": None if entry.request_id is None else str(entry.request_id),
        "address_digest": None if entry.address_digest is None else entry.address_digest.hex(),
        "outcome": entry.outcome,
        "details": entry.details,
    }


def export_line(entry: AuditEntry, link: Link) -> bytes:
    """One line of an exported chain: everything that is hashed, and the hashes."""
    facts = {
        **as_json(entry),
        "sequence": link.sequence,
        "previous_hash": link.previous_hash.hex(),
        "entry_hash": link.entry_hash.hex(),
    }
    return json.dumps(facts, separators=(",", ":")).encode() + b"\n"


def export_head(tenant_id: TenantId, start: Head, head: Head | None) -> bytes:
    """The first line of an exported chain: whose it is, where it begins and where it ends."""
    facts = {"chain": str(tenant_id), "start": str(start), "head": str(head or start)}
    return json.dumps(facts, separators=(",", ":")).encode() + b"\n"


def check_export(lines: Iterable[bytes], *, copy: Head | None = None) -> tuple[Head, list[Finding]]:
    """What is wrong with an exported chain, and where it ends. Raises InvalidInput when it is none.

    Its first line says where it begins: at the beginning, or behind an entry of the rest.
    """
    reading = iter(lines)
    try:
        ends = json.loads(next(reading))
        start, head = read_head(str(ends["start"])), read_head(str(ends["head"]))
        check = ChainCheck(start, copy=copy)
        found = [flaw for line in reading for flaw in check.read(*from_json(json.loads(line)))]
    except (KeyError, TypeError, AttributeError, ValueError, StopIteration) as error:
        raise InvalidInput("this is no exported audit chain") from error
    return head, found + check.finish(head)


def from_json(facts: Mapping[str, object]) -> tuple[AuditEntry, Link]:
    """An exported line as the entry and its link; any error of reading means that it is none."""
    request_id, digest = facts["request_id"], facts["address_digest"]
    entry = AuditEntry(
        tenant_id=TenantId(UUID(str(facts["tenant_id"]))),
        entry_id=UUID(str(facts["entry_id"])),
        at=datetime.fromisoformat(str(facts["at"])),
        actor=str(facts["actor"]),
        actor_kind=str(facts["actor_kind"]),
        operation=str(facts["operation"]),
        target_kind=str(facts["target_kind"]),
        target_id=str(facts["target_id"]),
        request_id=None if request_id is None else UUID(str(request_id)),
        address_digest=None if digest is None else bytes.fromhex(str(digest)),
        outcome=str(facts["outcome"]),
        details=dict(facts["details"].items()),  # type: ignore[attr-defined]
    )
    link = Link(
        sequence=int(str(facts["sequence"])),
        previous_hash=bytes.fromhex(str(facts["previous_hash"])),
        entry_hash=bytes.fromhex(str(facts["entry_hash"])),
    )
    return entry, link


def hash_entry(entry: AuditEntry, sequence: int, previous_hash: bytes) -> bytes:
    """The hash of an entry at its place."""
    return hashlib.sha256(_PREFIX + previous_hash + canonical(entry, sequence)).digest()


def extend(head: Head, entries: Iterable[AuditEntry]) -> list[Link]:
    """The links that put these entries, in this order, behind the head of their chain."""
    links: list[Link] = []
    for entry in entries:
        sequence = head.sequence + 1
        entry_hash = hash_entry(entry, sequence, head.entry_hash)
        links.append(Link(sequence=sequence, previous_hash=head.entry_hash, entry_hash=entry_hash))
        head = Head(sequence=sequence, entry_hash=entry_hash)
    return links


class ChainCheck:
    """Reads one chain in the order of its numbers and says what is wrong with it.

    `start` is the place before the first entry: START, or the last entry that retention dropped.
    `copy` is a head that was written down elsewhere: the entry of that number must have that hash.
    """

    def __init__(self, start: Head = START, *, copy: Head | None = None) -> None:
        """Nothing is read yet."""
        self.count = 0
        self.last = start
        self._start = start
        self._copy = copy
        self._copy_seen = copy is None or copy == start
        self._latest: datetime | None = None

    def read(self, entry: AuditEntry, link: Link) -> list[Finding]:
        """What is wrong with the next entry."""
        if link.sequence <= self._start.sequence:
            return []
        self.count += 1
        found = [*self._place(link), *self._facts(entry, link)]
        if link.sequence > self.last.sequence:
            self.last = Head(sequence=link.sequence, entry_hash=link.entry_hash)
        return found

    def finish(self, head: Head | None) -> list[Finding]:
        """What is wrong with the end, by the head that the database (or an export) names."""
        found = []
        if head is not None and head.sequence > self.last.sequence:
            found.append(self._truncated(head, "the database's own head"))
        elif head is not None and head != self.last:
            text = f"the head says {head}, the last entry {self.last}"
            found.append(Finding(flaw=Flaw.HEAD_DIFFERS, sequence=self.last.sequence, text=text))
        if not self._copy_seen and self._copy is not None:
            if self._copy.sequence > self.last.sequence:
                found.append(self._truncated(self._copy, "the copy of the head"))
            elif self._copy.sequence > self._start.sequence:
                text = "the entry that the copy of the head names isn't there"
                found.append(
                    Finding(flaw=Flaw.HEAD_DIFFERS, sequence=self._copy.sequence, text=text)
                )
        return found

    def _place(self, link: Link) -> list[Finding]:
        expected = self.last.sequence + 1
        if link.sequence < expected:
            text = "more than one entry has this number"
            return [Finding(flaw=Flaw.DOUBLED, sequence=link.sequence, text=text)]
        if link.sequence > expected:
            text = f"entries {expected} to {link.sequence - 1} are missing"
            return [Finding(flaw=Flaw.MISSING, sequence=expected, text=text)]
        if link.previous_hash != self.last.entry_hash:
            text = "it doesn't name the entry before it"
            return [Finding(flaw=Flaw.UNLINKED, sequence=link.sequence, text=text)]
        return []

    def _facts(self, entry: AuditEntry, link: Link) -> list[Finding]:
        found = []
        if hash_entry(entry, link.sequence, link.previous_hash) != link.entry_hash:
            text = "its facts aren't those that were sealed"
            found.append(Finding(flaw=Flaw.CHANGED, sequence=link.sequence, text=text))
        if self._latest is not None and entry.at < self._latest - _LATEST_COMMIT:
            text = f"dated {entry.at:%Y-%m-%d %H:%MZ}, sealed after entries of later times"
            found.append(Finding(flaw=Flaw.BACKDATED, sequence=link.sequence, text=text))
        self._latest = entry.at if self._latest is None else max(self._latest, entry.at)
        if self._copy is not None and link.sequence == self._copy.sequence:
            self._copy_seen = True
            if link.entry_hash != self._copy.entry_hash:
                text = "its hash isn't the one in the copy of the head"
                found.append(Finding(flaw=Flaw.HEAD_DIFFERS, sequence=link.sequence, text=text))
        return found

    def _truncated(self, head: Head, source: str) -> Finding:
        first, last = self.last.sequence + 1, head.sequence
        text = f"{source} says that entries {first} to {last} were there"
        return Finding(flaw=Flaw.TRUNCATED, sequence=first, text=text)
