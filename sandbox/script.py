"""The statuses a send will have, decided when it is accepted: what, when, and told how."""

from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NamedTuple

from sandbox.config import DeliveryConfig, FaultConfig
from sandbox.faults import Draw, Fate


class Kind(IntEnum):
    """A status of a message; FACT is a delivery that no webhook tells at that moment."""

    FACT = 0
    SENT = 1
    DELIVERED = 2
    READ = 3
    FAILED = 4
    PLAYED = 5


class Flag(IntEnum):
    """Bits that say how a step differs from a plain status; combined they are plain integers.

    An IntFlag would do, but building one costs more than the status it describes.
    """

    PRICING = 1
    LOST = 2
    REPEAT = 4
    BILLS = 8
    HIDDEN_PHONE = 16


class Step(NamedTuple):
    """One status: posted `emit_ms`, happened `at_ms`, both after the acceptance."""

    emit_ms: int
    at_ms: int
    kind: int
    code: int
    flags: int


DELAY_OF_REPEAT_MS: Final = 400
_SWAP_MS: Final = 700
_PLAYED_AFTER_MS: Final = 200
DROPPED_BY_PACING: Final = 132015
FAILED_LATE: Final = 131000


def write_script(
    fate: Fate,
    delivery: DeliveryConfig,
    faults: FaultConfig,
    *,
    failed_webhook: int | None,
    held: bool,
    pacing: tuple[int, bool] | None = None,
    voice: bool = False,
) -> tuple[Step, ...]:
    """All steps of one message, ordered by the time they are posted; empty when it stays silent.

    The price goes with `sent` and with the first of delivered and read only. A message that is
    never delivered and never failed is one that Meta drops at its time to live without a word.
    `pacing` is how long a template's pacing holds it, and whether it is dropped then.
    """
    if fate.happens(Draw.NO_STATUS, faults.no_status):
        return ()
    hold, dropped = pacing or (0, False)
    if held and pacing is None:
        hold = fate.between(Draw.LATE, faults.hold_ms)
        dropped = fate.happens(Draw.WHICH, faults.held_failed)
    if dropped:
        return (Step(hold, hold, Kind.FAILED, DROPPED_BY_PACING, 0),)
    sent_at = hold + fate.between(Draw.SENT_DELAY, delivery.sent_ms)
    delivered_at = max(sent_at, hold + fate.between(Draw.DELIVERED_DELAY, delivery.delivered_ms))
    if failed_webhook is not None:
        # Most failures are known only after the message left, so `sent` often comes before.
        failed = Step(delivered_at, delivered_at, Kind.FAILED, failed_webhook, 0)
        if fate.of(Draw.ORDER) < 0.5:
            return (failed,)
        return (Step(sent_at, sent_at, Kind.SENT, 0, Flag.PRICING), failed)
    steps = [Step(sent_at, sent_at, Kind.SENT, 0, Flag.PRICING)]
    steps += _arrival(fate, delivery, faults, delivered_at, hold)
    if steps[-1].kind == Kind.READ and voice and fate.happens(Draw.PLAYED, faults.played):
        played_at = steps[-1].at_ms + _PLAYED_AFTER_MS
        steps.append(Step(played_at, played_at, Kind.PLAYED, 0, 0))
    if fate.happens(Draw.FAILED_AFTER, faults.failed_after_delivered):
        failed_at = steps[-1].at_ms + _PLAYED_AFTER_MS
        steps.append(Step(failed_at, failed_at, Kind.FAILED, FAILED_LATE, 0))
    return tuple(sorted(_told(fate, faults, steps), key=lambda step: step.emit_ms))


def _arrival(
    fate: Fate, delivery: DeliveryConfig, faults: FaultConfig, delivered_at: int, hold: int
) -> list[Step]:
    skips_delivered = fate.happens(Draw.MISSING_DELIVERED, faults.missing_delivered)
    reads = skips_delivered or fate.happens(Draw.READ, delivery.read_probability)
    billing = Flag.PRICING | Flag.BILLS
    steps = []
    if not skips_delivered:
        steps.append(Step(delivered_at, delivered_at, Kind.DELIVERED, 0, billing))
    if reads:
        read_at = max(delivered_at + 1, hold + fate.between(Draw.READ_DELAY, delivery.read_ms))
        flags = billing if skips_delivered else 0
        steps.append(Step(read_at, read_at, Kind.READ, 0, flags))
    return steps


def _told(fate: Fate, faults: FaultConfig, steps: list[Step]) -> Iterator[Step]:
    """Bend how the true steps are told: late, swapped, lost, twice, without the phone number."""
    chosen = int(fate.of(Draw.WHICH) * len(steps))
    late = fate.happens(Draw.LATE, faults.late_status)
    lost = fate.happens(Draw.LOST, faults.lost_status)
    hidden = fate.happens(Draw.HIDDEN_PHONE, faults.hidden_phone)
    swapped = len(steps) > 1 and fate.happens(Draw.ORDER, faults.out_of_order)
    twice = fate.happens(Draw.DUPLICATE, faults.duplicate_status)
    for position, step in enumerate(steps):
        told = step
        if swapped and position == min(chosen, len(steps) - 2):
            told = _posted_at(told, steps[position + 1].at_ms + _SWAP_MS)
        if late and position == chosen:
            # Another draw: the one that chose lateness is small whenever lateness is rare.
            told = _posted_at(told, told.emit_ms + fate.between(Draw.SENT_DELAY, faults.late_ms))
        if hidden:
            told = told._replace(flags=told.flags | Flag.HIDDEN_PHONE)
        if lost and position == chosen:
            told = told._replace(flags=told.flags | Flag.LOST)
        if told.flags & Flag.BILLS and told.emit_ms != told.at_ms:
            # The charge happens when the message arrives, not when its late webhook does.
            yield Step(told.at_ms, told.at_ms, Kind.FACT, 0, Flag.BILLS)
            told = told._replace(flags=told.flags & ~Flag.BILLS)
        yield told
        if twice and position == chosen and not lost:
            repeat = (told.flags | Flag.REPEAT) & ~Flag.BILLS
            yield told._replace(emit_ms=told.emit_ms + DELAY_OF_REPEAT_MS, flags=repeat)


def _posted_at(step: Step, emit_ms: int) -> Step:
    return step._replace(emit_ms=emit_ms)
