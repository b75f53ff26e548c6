"""How a doubt is settled: by evidence, then by category. Pure.

Meta has no idempotency key, but every status brings our callback token back, so an accepted send
makes itself known. Silence is evidence only when the pipe demonstrably works: other sends of the
same number, accepted by answer within two minutes of the attempt, must have been heard of (nine in
ten, and at least one). Without such a control group the pipe's health is unknown, and we wait until
the longest time is over.
"""

from enum import StrEnum
from typing import Final

from core.store.settlement import Controls, Doubt

_HEARD_SHARE: Final = 0.9
#: Doubts after which a message that may be repeated is given up. With evidence each repeat is as
#: safe as the first; without it one repeat is all the risk we take.
_MAX_DOUBTS_WITH_EVIDENCE: Final = 3
_MAX_DOUBTS_WITHOUT: Final = 1
_REPEATABLE: Final = frozenset({"utility", "service"})


class Evidence(StrEnum):
    """What silence means."""

    SILENT_PIPE_WORKS = "silent_pipe_works"
    PIPE_BROKEN = "pipe_broken"
    UNKNOWN = "unknown"


def weigh(controls: Controls) -> Evidence:
    """What the control group says about the webhooks of those minutes."""
    if controls.controls == 0:
        return Evidence.UNKNOWN
    share = controls.heard / controls.controls
    return Evidence.SILENT_PIPE_WORKS if share >= _HEARD_SHARE else Evidence.PIPE_BROKEN


def judge(doubt: Doubt, evidence: Evidence) -> str | None:
    """The state that ends a doubt, or None to wait on.

    Marketing closes as not sent: a second advertisement is worse than none. Utility and service are
    tried again. An authentication code is worthless by now.
    """
    proven = evidence is Evidence.SILENT_PIPE_WORKS
    if not proven and not doubt.given_up:
        return None
    if doubt.category == "authentication":
        return "expired"
    if doubt.category not in _REPEATABLE:
        return "failed"
    allowed = _MAX_DOUBTS_WITH_EVIDENCE if proven else _MAX_DOUBTS_WITHOUT
    return "queued" if doubt.doubts <= allowed else "failed"
