"""What the page shows, as JSON: totals, limits, templates, the last messages and webhooks."""

from typing import Final

import orjson

from sandbox.acceptance import Sandbox
from sandbox.control_world import tell_clock, tell_limits
from sandbox.ledger import Message
from sandbox.script import Kind

_SHOWN: Final = 15
Table = tuple[str, tuple[str, ...], list[tuple[object, ...]]]


def snapshot(sandbox: Sandbox) -> bytes:
    """The state at this moment; no phone number is in it."""
    ledger, dispatcher = sandbox.ledger, sandbox.dispatcher
    faults = sandbox.faults.config.model_dump(
        mode="json", exclude_defaults=True, exclude={"recipients", "suffixes"}
    )
    return orjson.dumps(
        {
            "accepted": len(ledger.messages),
            "posts_ok": dispatcher.posts_ok,
            "posts_failed": dispatcher.posts_failed,
            "waiting": dispatcher.waiting(),
            "duplicates": ledger.duplicates["message"],
            "callback": sandbox.world.app_callback_url or "nowhere",
            "clock": tell_clock(sandbox),
            "faults": orjson.dumps(faults).decode() if faults else "none",
            "tables": _tables(sandbox),
        }
    )


def _tables(sandbox: Sandbox) -> dict[str, Table]:
    ledger = sandbox.ledger
    refused = [(str(code), count) for code, count in sorted(ledger.refused.items())]
    refused += [(fault, count) for fault, count in sorted(ledger.answers.items())]
    last: list[tuple[object, ...]] = [
        _row(message) for message in ledger.messages[: -_SHOWN - 1 : -1]
    ]
    return {
        "statuses": ("Statuses", ("status", "planned", "emitted", "posted"), _statuses(sandbox)),
        "refused": ("Refused or spoiled", ("code or answer", "times"), list(refused)),
        "numbers": (
            "Numbers",
            ("number", "accepted", "per second", "quality", "state", "held back by"),
            _numbers(sandbox),
        ),
        "portfolios": (
            "Messaging limits",
            ("portfolio", "people in 24 h", "limit"),
            _portfolios(sandbox),
        ),
        "templates": (
            "Templates",
            ("template", "category", "status", "quality"),
            [
                (f"{t.name}/{t.language}", t.category, t.status, t.quality)
                for t in list(sandbox.world.templates.values())[:_SHOWN]
            ],
        ),
        "messages": ("Last messages", ("recipient", "what", "category", "last status"), last),
        "webhooks": (
            "Last webhooks",
            ("time", "updates", "bytes", "answer"),
            list(reversed(sandbox.dispatcher.last_posts)),
        ),
    }


def _statuses(sandbox: Sandbox) -> list[tuple[object, ...]]:
    ledger = sandbox.ledger
    return [
        (kind.name.lower(), ledger.planned[kind], ledger.emitted[kind], ledger.posted[kind])
        for kind in Kind
        if kind in {Kind.SENT, Kind.DELIVERED, Kind.READ, Kind.FAILED} or ledger.planned[kind]
    ]


def _numbers(sandbox: Sandbox) -> list[tuple[object, ...]]:
    now_ms = sandbox.clock.now_ms()
    rows: list[tuple[object, ...]] = []
    for number in sandbox.world.numbers.values():
        reasons = {
            "maintenance": number.maintenance_until_ms > now_ms,
            "spam limit": number.spam_limited_until_ms > now_ms,
        }
        held_back = ", ".join(name for name, holds in reasons.items() if holds)
        rows.append(
            (
                number.config.display_phone_number,
                sandbox.ledger.by_number[number.id],
                number.config.throughput_mps,
                number.quality,
                number.state,
                held_back,
            )
        )
    return rows


def _portfolios(sandbox: Sandbox) -> list[tuple[object, ...]]:
    told = tell_limits(sandbox)["portfolios"]
    portfolios = told if isinstance(told, list) else []
    return [(p["id"], p["reached"], p["people_per_day"] or "unlimited") for p in portfolios]


def _row(message: Message) -> tuple[str, ...]:
    told = [
        Kind(step.kind).name.lower()
        for index, step in enumerate(message.steps)
        if message.emitted & 1 << index
    ]
    masked = f"{message.country} …{message.wa_id[-2:]}"
    what = message.template or message.type
    return masked, what, message.category, told[-1] if told else "accepted"
