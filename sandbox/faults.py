"""Who meets which fault: a hash of seed, number, recipient and count decides, never chance.

The n-th request of a number to a recipient always draws the same numbers, whatever else happens
at the same time, so a run with the same seed and the same recipients can be repeated.
"""

import hashlib
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, auto
from typing import TypeVar

from sandbox.config import AnswerFault, FaultConfig, ForcedFault

_DRAWS = struct.Struct("<16I")
_SCALE = 2.0**32
_Key = TypeVar("_Key", AnswerFault, int)


class Draw(IntEnum):
    """One independent random number of a send for each thing that may happen to it."""

    ANSWER = 0
    API_ERROR = auto()
    FAILED_WEBHOOK = auto()
    DUPLICATE = auto()
    LATE = auto()
    ORDER = auto()
    MISSING_DELIVERED = auto()
    LOST = auto()
    NO_STATUS = auto()
    HIDDEN_PHONE = auto()
    HELD = auto()
    READ = auto()
    SENT_DELAY = auto()
    DELIVERED_DELAY = auto()
    READ_DELAY = auto()
    WHICH = auto()
    FAILED_AFTER = auto()
    PLAYED = auto()


class Fate:
    """The draws of one request, each in [0, 1)."""

    __slots__ = ("_draws", "_identity")

    def __init__(self, *, seed: int, number_id: str, wa_id: str, nth: int) -> None:
        identity = f"{seed}/{number_id}/{wa_id}/{nth}".encode()
        drawn = hashlib.blake2b(identity).digest()
        self._identity = identity
        self._draws: tuple[int, ...] = _DRAWS.unpack(drawn)

    def of(self, draw: Draw) -> float:
        """The number drawn for `draw`."""
        return self._drawn(draw) / _SCALE

    def happens(self, draw: Draw, probability: float) -> bool:
        """True with the given probability."""
        return probability > 0 and self._drawn(draw) < probability * _SCALE

    def _drawn(self, draw: Draw) -> int:
        if draw >= len(self._draws):
            # One hash holds sixteen draws; the rare ones after them take a second hash.
            more = hashlib.blake2b(self._identity, person=b"more").digest()
            self._draws += _DRAWS.unpack(more)
        return self._draws[draw]

    def between(self, draw: Draw, bounds: tuple[int, int]) -> int:
        """An integer within `bounds`, both included."""
        low, high = min(bounds), max(bounds)
        return low + int(self.of(draw) * (high - low + 1))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What goes wrong with one send; all None means that it goes well so far."""

    answer: AnswerFault | None = None
    api_error: int | None = None
    failed_webhook: int | None = None


class FaultBook:
    """The faults in force: `next` rules, then the recipient's, then every nth, then chance."""

    def __init__(self, config: FaultConfig) -> None:
        self.replace(config)

    def replace(self, config: FaultConfig) -> None:
        """Put other faults in force for every send from now on."""
        self.config = config
        self._seen: Counter[int] = Counter()
        self._next = [rule.model_copy() for rule in config.next]
        self._recipients = {
            "".join(filter(str.isdigit, key)): rule for key, rule in config.recipients.items()
        }

    def verdict(self, fate: Fate, *, number_id: str, digits: str, wa_id: str) -> Verdict:
        """Decide about one request that is valid and within the limits."""
        forced = self._take_next(number_id)
        if forced is not None:
            return forced
        rule = self._of_recipient(digits, wa_id) or self._every_nth(number_id)
        if rule is not None:
            return Verdict(rule.answer, rule.api_error, rule.failed_webhook)
        config = self.config
        return Verdict(
            answer=_pick(config.answers, fate.of(Draw.ANSWER)),
            api_error=_pick(config.api_errors, fate.of(Draw.API_ERROR)),
            failed_webhook=_pick(config.failed_webhooks, fate.of(Draw.FAILED_WEBHOOK)),
        )

    def _of_recipient(self, digits: str, wa_id: str) -> ForcedFault | None:
        if self._recipients and (
            rule := self._recipients.get(digits) or self._recipients.get(wa_id)
        ):
            return rule
        for suffix, fault in self.config.suffixes.items():
            if digits.endswith(suffix):
                return fault
        return None

    def _every_nth(self, number_id: str) -> ForcedFault | None:
        for position, rule in enumerate(self.config.every):
            if rule.phone_number_id not in {None, number_id}:
                continue
            self._seen[position] += 1
            if self._seen[position] % rule.nth == 0:
                return rule
        return None

    def _take_next(self, number_id: str) -> Verdict | None:
        for position, rule in enumerate(self._next):
            if rule.phone_number_id not in {None, number_id}:
                continue
            rule.count -= 1
            if rule.count == 0:
                del self._next[position]
            return Verdict(rule.answer, rule.api_error, rule.failed_webhook)
        return None


def _pick(shares: Mapping[_Key, float], drawn: float) -> _Key | None:
    for key, share in shares.items():
        if drawn < share:
            return key
        drawn -= share
    return None
