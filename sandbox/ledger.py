"""What the sandbox took and told: the judge of every crash test.

A send counts as accepted the moment its answer is decided, also when the answer then gets lost.
"""

import base64
import binascii
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sandbox.script import Flag, Kind, Step

_OWN_TOKEN_IDS: Final = 32
_DUPLICATES_KEPT: Final = 20


class Message:
    """One accepted send."""

    __slots__ = (
        "accepted_ms",
        "category",
        "content",
        "country",
        "emitted",
        "number_id",
        "opaque",
        "posted",
        "price_type",
        "seq",
        "steps",
        "template",
        "type",
        "wa_id",
        "wamid",
    )

    def __init__(
        self,
        *,
        seq: int,
        wamid: str,
        number_id: str,
        wa_id: str,
        country: str,
        accepted_ms: int,
        type: str,  # noqa: A002  (Meta's name of the field)
        template: str | None,
        category: str,
        price_type: str,
        opaque: str | None,
        content: int,
        steps: tuple[Step, ...],
    ) -> None:
        self.seq = seq
        self.wamid = wamid
        self.number_id = number_id
        self.wa_id = wa_id
        self.country = country
        self.accepted_ms = accepted_ms
        self.type = type
        self.template = template
        self.category = category
        self.price_type = price_type
        self.opaque = opaque
        self.content = content
        self.steps = steps
        self.emitted = 0
        self.posted = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which accepted sends to find; None doesn't filter."""

    opaque: str | None = None
    wamid: str | None = None
    wa_id: str | None = None
    number_id: str | None = None

    def fits(self, message: Message) -> bool:
        """True for a message that every given filter admits."""
        return (
            self.opaque in {None, message.opaque}
            and self.wamid in {None, message.wamid}
            and self.wa_id in {None, message.wa_id}
            and self.number_id in {None, message.number_id}
        )


class Ledger:
    """All accepted sends and what became of their statuses."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.clear()

    def clear(self) -> None:
        """Start from nothing."""
        self.messages: list[Message] = []
        self.by_wamid: dict[str, Message] = {}
        self.by_number: Counter[str] = Counter()
        self.by_category: Counter[str] = Counter()
        self.refused: Counter[int] = Counter()
        self.answers: Counter[str] = Counter()
        self.planned: Counter[int] = Counter()
        self.emitted: Counter[int] = Counter()
        self.posted: Counter[int] = Counter()
        self.unrouted = 0
        self.abandoned = 0
        self.duplicates: Counter[str] = Counter()
        self.duplicate_pairs: list[dict[str, object]] = []
        self._seen: dict[str, dict[object, int]] = {
            "token": {},
            "message": {},
            "recipient_template": {},
            "recipient_content": {},
        }

    def add(self, message: Message) -> None:
        """Take a message in; every kind of duplicate is counted here."""
        self.messages.append(message)
        self.by_wamid[message.wamid] = message
        self.by_number[message.number_id] += 1
        self.by_category[message.category] += 1
        for step in message.steps:
            if step.kind != Kind.FACT and not step.flags & Flag.LOST:
                self.planned[step.kind] += 1
        self._see("recipient_content", message, (message.number_id, message.wa_id, message.content))
        if message.template is not None:
            pair = (message.number_id, message.wa_id, message.template)
            self._see("recipient_template", message, pair)
        if message.opaque is not None:
            self._see("token", message, message.opaque)
            self._see("message", message, message_of_token(message.opaque))

    def _see(self, kind: str, message: Message, key: tuple[str, ...] | object) -> None:
        # A 64-bit hash stands for the key: a million of them collide with chance 3e-8.
        first = self._seen[kind].setdefault(hash(key), message.seq)
        if first == message.seq:
            return
        self.duplicates[kind] += 1
        if len(self.duplicate_pairs) < _DUPLICATES_KEPT:
            self.duplicate_pairs.append({"by": kind, "first": first, "again": message.seq})

    def mark_emitted(self, message: Message, index: int) -> None:
        """A status left for the callback queue (or nowhere, when there is no callback)."""
        message.emitted |= 1 << index
        self.emitted[message.steps[index].kind] += 1

    def mark_posted(self, message: Message, index: int) -> None:
        """The callback answered 200 to a POST that held this status."""
        if message.posted & 1 << index:
            return
        message.posted |= 1 << index
        self.posted[message.steps[index].kind] += 1

    def summary(self) -> dict[str, object]:
        """Totals; `duplicates` counts the second and every further acceptance of the same."""
        tokens = len(self._seen["token"])
        with_token = tokens + self.duplicates["token"]
        planned, posted = self.planned.total(), self.posted.total()
        return {
            "accepted_total": len(self.messages),
            "accepted_by_number": dict(self.by_number),
            "accepted_by_category": dict(self.by_category),
            "distinct_tokens": tokens,
            "distinct_messages": len(self._seen["message"]),
            "distinct_recipient_templates": len(self._seen["recipient_template"]),
            "without_token": len(self.messages) - with_token,
            "duplicates": {
                "by_token": self.duplicates["token"],
                "by_message": self.duplicates["message"],
                "by_recipient_template": self.duplicates["recipient_template"],
                "by_recipient_content": self.duplicates["recipient_content"],
                "first_pairs": self.duplicate_pairs,
            },
            "refused_by_code": {str(code): count for code, count in self.refused.items()},
            "answer_faults": dict(self.answers),
            "statuses": {
                "planned": _by_name(self.planned),
                "emitted": _by_name(self.emitted),
                "posted_ok": _by_name(self.posted),
                "pending": planned - posted - self.unrouted - self.abandoned,
                "unrouted": self.unrouted,
                "abandoned": self.abandoned,
            },
        }

    def describe(self, message: Message) -> dict[str, object]:
        """One ledger row without the phone number: the recipient is a keyed hash."""
        return {
            "seq": message.seq,
            "phone_number_id": message.number_id,
            "recipient_hash": self.recipient_hash(message.wa_id),
            "country": message.country,
            "type": message.type,
            "template": message.template,
            "category": message.category,
            "pricing_type": message.price_type,
            "accepted_ms": message.accepted_ms,
            "biz_opaque_callback_data": message.opaque,
            "statuses": [
                {
                    "status": Kind(step.kind).name.lower(),
                    "at_ms": message.accepted_ms + step.at_ms,
                    "code": step.code or None,
                    "repeat": bool(step.flags & Flag.REPEAT),
                    "lost": bool(step.flags & Flag.LOST),
                    "emitted": bool(message.emitted & 1 << index),
                    "posted": bool(message.posted & 1 << index),
                }
                for index, step in enumerate(message.steps)
                if step.kind != Kind.FACT
            ],
        }

    def recipient_hash(self, wa_id: str) -> str:
        """A keyed 64-bit hash of a recipient; equal within runs of one seed."""
        return hashlib.blake2b(
            wa_id.encode(), key=str(self.seed).encode(), digest_size=8
        ).hexdigest()

    def find(self, wanted: Wanted) -> list[Message]:
        """Every accepted send that fits, in order of acceptance."""
        if wanted.wamid is not None:
            known = self.by_wamid.get(wanted.wamid)
            return [known] if known is not None and wanted.fits(known) else []
        return [message for message in self.messages if wanted.fits(message)]

    def rows(self, after_seq: int, limit: int) -> Iterator[dict[str, object]]:
        """Rows with a higher number than `after_seq`, at most `limit`, in order of acceptance."""
        for message in self.messages[after_seq : after_seq + limit]:
            yield self.describe(message)


def message_of_token(token: str) -> str:
    """What two attempts of one message share, or the whole token when it isn't the platform's.

    The platform's token is `c1.<base64url of tenant id, message id, attempt>.<mac>`; the sandbox
    reads the two ids without any key, to tell a second attempt from a second message.
    """
    prefix, _, rest = token.partition(".")
    body = rest.partition(".")[0]
    if prefix != "c1" or not body:
        return token
    try:
        fields = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    except (binascii.Error, ValueError):
        return token
    if len(fields) < _OWN_TOKEN_IDS:
        return token
    return fields[:_OWN_TOKEN_IDS].hex()


def _by_name(counter: Counter[int]) -> dict[str, int]:
    names = [Kind.SENT, Kind.DELIVERED, Kind.READ, Kind.FAILED]
    if counter[Kind.PLAYED]:
        names.append(Kind.PLAYED)
    return {kind.name.lower(): counter[kind] for kind in names}
