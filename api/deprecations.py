"""Operations that end, and when: the one table of them, and the policy that it must keep to.

`docs/versioning.md` is the policy. An entry is added with the release that deprecates an operation
and taken out with the one that no longer knows it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

#: From the announcement to the sunset at least so long; a brown-out is announced as long before.
NOTICE: Final = timedelta(days=365)
BROWN_OUT_NOTICE: Final = timedelta(days=30)
LONGEST_BROWN_OUT: Final = timedelta(hours=4)
#: Where people read what ends; what the links of a deprecated operation's answers lead to.
PAGE: Final = "/deprecations"


class Phase(StrEnum):
    """How far the end of an operation has come."""

    ANNOUNCED = "announced"
    DEPRECATED = "deprecated"
    BROWN_OUT = "brown_out"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrownOut:
    """A rehearsal of the end: from `starts_at` until `ends_at` the operation answers 410."""

    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Deprecation:
    """The end of one operation; all instants are aware.

    Raises ValueError for dates that the policy doesn't allow.
    """

    announced_at: datetime
    deprecated_at: datetime
    sunset_at: datetime
    reason: str
    #: The address of what to use instead, as in the document: `/v2/contacts`.
    successor: str | None = None
    brown_outs: tuple[BrownOut, ...] = ()

    def __post_init__(self) -> None:
        if self.deprecated_at < self.announced_at:
            raise ValueError("nothing is deprecated before it is announced")
        if self.sunset_at - self.announced_at < NOTICE:
            raise ValueError("an operation ends a year after its announcement, or later")
        for window in self.brown_outs:
            if not timedelta() < window.ends_at - window.starts_at <= LONGEST_BROWN_OUT:
                raise ValueError("a brown-out takes up to four hours")
            if window.starts_at - self.announced_at < BROWN_OUT_NOTICE:
                raise ValueError("a brown-out comes a month after its announcement, or later")
            if not self.deprecated_at <= window.starts_at < window.ends_at <= self.sunset_at:
                raise ValueError("a brown-out lies between deprecation and sunset")

    def phase(self, now: datetime) -> Phase:
        """Where it stands at an instant."""
        if now >= self.sunset_at:
            return Phase.GONE
        if self.brown_out(now) is not None:
            return Phase.BROWN_OUT
        return Phase.DEPRECATED if now >= self.deprecated_at else Phase.ANNOUNCED

    def brown_out(self, now: datetime) -> BrownOut | None:
        """The brown-out that is on at an instant."""
        on = (each for each in self.brown_outs if each.starts_at <= now < each.ends_at)
        return next(on, None)

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """Deprecation (RFC 9745), Sunset (RFC 8594) and Link (RFC 8288) of every answer."""
        links = [f'<{PAGE}>; rel="deprecation"', f'<{PAGE}>; rel="sunset"']
        if self.successor is not None:
            links.append(f'<{self.successor}>; rel="successor-version"')
        return (
            (b"deprecation", f"@{int(self.deprecated_at.timestamp())}".encode()),
            (b"sunset", format_datetime(self.sunset_at, usegmt=True).encode()),
            (b"link", ", ".join(links).encode()),
        )


#: By operation id. Empty as long as nothing ends.
DEPRECATIONS: Mapping[str, Deprecation] = MappingProxyType({})


def deprecations() -> Mapping[str, Deprecation]:
    """The table, as it is now."""
    return DEPRECATIONS
