"""Canaries: a campaign goes to a few people first, and on only while nothing speaks against it.

Waves are cumulative shares of the audience ("1", "10", "100" percent) and are numbered from 1. The
plan decides who is in which; a gate decides when the next one goes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Final

from core.errors import InvalidInput

_MAX_WAVES: Final = 10
_MIN_JUDGED: Final = 20
"""Shares of fewer answers say nothing: one bad address of three is no bad template."""
_ALL_FAILED: Final = 3
"""So many failures without one success are a reason, however small the wave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """The waves of a campaign and what must hold before the next one.

    `percents` are cumulative, rising and end at 100. `wait` is the least time between two waves:
    failures and quality signals come by webhook, minutes after the sends.
    """

    percents: tuple[Decimal, ...]
    wait: timedelta = timedelta(minutes=15)
    max_not_delivered_percent: Decimal = Decimal(5)
    """Of the judged messages: 131049, Meta's per-person marketing limit, a sign of fatigue."""
    max_failed_percent: Decimal = Decimal(10)

    @property
    def waves(self) -> int:
        """How many waves there are."""
        return len(self.percents)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """What is known when the gate after a wave is asked; counts are of all waves so far."""

    released_at: datetime
    open_messages: int
    posted_messages: int
    """Messages that Meta took, or refused at once."""
    heard_messages: int
    """Those of them that Meta has told something about since."""
    judged_messages: int
    """Messages that Meta delivered or refused."""
    failed_messages: int
    limited_messages: int
    """Failed with 131049."""
    template_stopped: str | None
    template_quality: str
    number_quality: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a gate says: `stop` names why the campaign must pause, `release` opens the next wave."""

    release: bool = False
    stop: str | None = None
    waiting_for: str | None = None


def read_canary(values: Mapping[str, object]) -> Canary:
    """A canary from its stored form. Raises InvalidInput that names the wrong field."""
    percents = values.get("percents")
    if not isinstance(percents, Sequence) or isinstance(percents, str):
        raise InvalidInput("percents is a list of shares", pointer="/canary/percents")
    shares = tuple(_percent(value, "/canary/percents") for value in percents)
    rising = all(before < after for before, after in pairwise(shares))
    if not 2 <= len(shares) <= _MAX_WAVES or not rising or shares[-1] != 100 or shares[0] <= 0:
        raise InvalidInput(
            "percents rise from above 0 to 100, in 2 to 10 steps", pointer="/canary/percents"
        )
    minutes = values.get("wait_minutes", 15)
    if not isinstance(minutes, int) or not 0 <= minutes <= 10_080:
        raise InvalidInput("wait_minutes is 0 to 10080", pointer="/canary/wait_minutes")
    return Canary(
        percents=shares,
        wait=timedelta(minutes=minutes),
        max_not_delivered_percent=_percent(
            values.get("max_not_delivered_percent", "5"), "/canary/max_not_delivered_percent"
        ),
        max_failed_percent=_percent(
            values.get("max_failed_percent", "10"), "/canary/max_failed_percent"
        ),
    )


def judge_wave(canary: Canary, signals: Signals, *, now: datetime) -> Verdict:
    """Whether the next wave may go. Bad news counts at once, good news only after the wait."""
    stop = _reason_to_stop(canary, signals)
    if stop is not None:
        return Verdict(stop=stop)
    if signals.open_messages:
        return Verdict(waiting_for=f"{signals.open_messages} messages of this wave")
    ready_at = signals.released_at + canary.wait
    if now < ready_at:
        return Verdict(waiting_for=f"the wait until {ready_at:%Y-%m-%dT%H:%M:%SZ}")
    # No news is no good news: webhooks may be lost, held back, or waiting for the applier.
    if signals.heard_messages * 2 < signals.posted_messages:
        return Verdict(
            waiting_for=(
                f"Meta's word on half of {signals.posted_messages} messages"
                f" ({signals.heard_messages} so far)"
            )
        )
    return Verdict(release=True)


def _reason_to_stop(canary: Canary, signals: Signals) -> str | None:
    if signals.template_stopped is not None:
        return f"the template stopped: {signals.template_stopped}"
    if signals.template_quality == "RED":
        return "the template's quality is RED"
    if signals.number_quality == "RED":
        return "the number's quality is RED"
    if signals.failed_messages == signals.judged_messages >= _ALL_FAILED:
        return f"all {signals.failed_messages} that Meta judged so far failed"
    if signals.judged_messages < _MIN_JUDGED:
        return None
    limited = Decimal(signals.limited_messages * 100) / signals.judged_messages
    if limited > canary.max_not_delivered_percent:
        return f"{limited:.1f} % met Meta's per-person limit (131049)"
    failed = Decimal(signals.failed_messages * 100) / signals.judged_messages
    if failed > canary.max_failed_percent:
        return f"{failed:.1f} % failed"
    return None


def _percent(value: object, pointer: str) -> Decimal:
    try:
        share = Decimal(value) if isinstance(value, str) else None
    except InvalidOperation:
        share = None
    if share is None or not share.is_finite() or not 0 <= share <= 100:
        raise InvalidInput("a share is a decimal text from 0 to 100", pointer=pointer)
    return share
