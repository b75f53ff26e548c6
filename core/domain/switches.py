"""Switches: what an operator stops by hand. Each has a reason, a person and an end."""

import re
from datetime import timedelta
from enum import StrEnum
from typing import Final

from core.errors import InvalidInput

LONGEST: Final = timedelta(days=7)
"""A stop that should last longer is a decision about a tenant or a campaign, not a switch."""
_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION: Final = re.compile(r"([1-9][0-9]{0,6})([smhd])", re.ASCII)


class SwitchScope(StrEnum):
    """What a switch stops.

    The first four stop claims: from the switch's commit on no request leaves.
    `webhooks_accept_only` lands webhooks and applies none; `api_read_only` answers changes with
    503.
    """

    EVERYTHING = "everything"
    TENANT = "tenant"
    CAMPAIGN = "campaign"
    NUMBER = "number"
    WEBHOOKS_ACCEPT_ONLY = "webhooks_accept_only"
    API_READ_ONLY = "api_read_only"


def read_duration(text: str) -> timedelta:
    """`90s`, `30m`, `2h`, `1d` as a duration of at most 7 days. Raises InvalidInput."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise InvalidInput("a duration is a number and a unit: 90s, 30m, 2h or 1d")
    duration = timedelta(seconds=int(found[1]) * _UNITS[found[2]])
    if duration > LONGEST:
        raise InvalidInput("a switch lasts 7 days at most; set it again when it ends")
    return duration
