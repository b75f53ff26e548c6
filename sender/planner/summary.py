"""The plan as people read it: who, what it costs, how long it takes, what it looks like. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from core.domain.parameter_rules import ADVICE, RuleCode
from core.domain.template import TemplateShape, render_body
from core.errors import InvalidInput
from core.store.plan_runs import DoneChunk
from core.store.plans import PlanInputs, PlanSample, Portfolio
from sender.planner.forecast import Forecast
from sender.planner.recipe import Variant

_SAMPLES: Final = 20
_WRONG_PARAMETERS: Final = ("missing_parameter", "invalid_parameter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """People a plan decided alike about; no reason means that they will be sent to."""

    exclusion_reason: str | None
    market: str | None
    country: str | None
    recipient_timezone: str | None
    variant: str | None
    wave: int
    in_window: bool
    is_reached: bool
    people: int
    in_free_entry: bool = False
    """Absent from pieces that an earlier release has written."""


def read_groups(chunks: Iterable[DoneChunk]) -> list[Group]:
    """The groups of all pieces, merged."""
    merged: dict[tuple[object, ...], int] = defaultdict(int)
    for chunk in chunks:
        for group in chunk.groups:
            people = int(str(group.pop("people")))
            merged[tuple(sorted(group.items()))] += people
    return [
        Group(people=people, **dict(key))  # type: ignore[arg-type]
        for key, people in sorted(merged.items(), key=str)
    ]


def summarise(
    *,
    inputs: PlanInputs,
    variants: Sequence[Variant],
    groups: Sequence[Group],
    chunks: Sequence[DoneChunk],
    cost: Mapping[str, object],
    forecast: Forecast,
    portfolio: Portfolio | None,
) -> dict[str, object]:
    """The plan's JSON. Money is a decimal as text; what has no rate is counted, never priced 0."""
    sent = [group for group in groups if group.exclusion_reason is None]
    excluded: dict[str, int] = defaultdict(int)
    for group in groups:
        if group.exclusion_reason is not None:
            excluded[group.exclusion_reason] += group.people
    queued = sum(group.people for group in sent)
    shapes = {variant.name: variant.shape for variant in variants}
    return {
        "version": 2,
        "dry_run": inputs.plan_dry_run,
        "audience": {
            "total": queued + sum(excluded.values()),
            "queued": queued,
            "excluded": sum(excluded.values()),
            "excluded_by_reason": dict(sorted(excluded.items())),
        },
        "parameters": _parameters(chunks, excluded),
        "cost": dict(cost),
        "finish": forecast.as_json(),
        "limits": _limits(inputs, sent, portfolio, pairs=sum(chunk.pairs for chunk in chunks)),
        "template": {
            "name": inputs.template_name,
            "language": inputs.template_language,
            "category": inputs.category,
            "version_hash": inputs.version_hash,
        },
        "variants": _variants(variants, sent),
        "waves": _totals((str(group.wave), group.people) for group in sent),
        "timing": {
            "scheduled_at": _instant(inputs.scheduled_at),
            "local_delivery": inputs.local_delivery,
            "tenant_timezone": inputs.tenant_timezone,
            "people_by_timezone": _totals(
                (group.recipient_timezone or "unknown", group.people) for group in sent
            ),
        },
        "samples": [_sample(shapes[sample.variant], sample) for sample in _first_samples(chunks)],
    }


def _first_samples(chunks: Sequence[DoneChunk]) -> list[PlanSample]:
    found = [sample for chunk in chunks for sample in chunk.samples]
    return [PlanSample(**sample) for sample in found[:_SAMPLES]]  # type: ignore[arg-type]


def _parameters(chunks: Sequence[DoneChunk], excluded: Mapping[str, int]) -> dict[str, object]:
    """Which parameters were wrong and how often; the people are in the plan's error list."""
    found = _totals(
        (f"{mistake['parameter']}\n{mistake['code']}", int(str(mistake["people"])))
        for chunk in chunks
        for mistake in chunk.mistakes
    )
    errors = []
    for key, people in found.items():
        parameter, _, code = key.partition("\n")
        advice = ADVICE[RuleCode(code)]
        errors.append({"parameter": parameter, "code": code, "people": people, "advice": advice})
    return {"people": sum(excluded.get(why, 0) for why in _WRONG_PARAMETERS), "errors": errors}


def _limits(
    inputs: PlanInputs, sent: Sequence[Group], portfolio: Portfolio | None, *, pairs: int
) -> dict[str, object]:
    new_people = sum(group.people for group in sent if not group.in_window and not group.is_reached)
    return {
        "throughput_per_second": inputs.throughput_per_second,
        "portfolio": _portfolio(portfolio, new_people),
        "pairs": {
            "people": pairs,
            "note": (
                "People for whom another campaign's message waits on this number: one person gets "
                "a message every 6 seconds at most, after a burst of 45."
            ),
        },
    }


def _portfolio(portfolio: Portfolio | None, new_people: int) -> dict[str, object]:
    """How Meta's limit of people a day, of the whole business portfolio, meets this plan."""
    limit = portfolio.people_per_day if portfolio else None
    if portfolio is None or limit is None:
        known = "The portfolio is unlimited." if portfolio else "The portfolio's limit is unknown."
        return {
            "people_per_day": None,
            "used_last_24_hours": None,
            "head_room": None,
            "new_people": new_people,
            "days": None,
            "note": f"{known} This plan reckons with none.",
        }
    room = max(limit - portfolio.reached, 0)
    days = 1 if new_people <= room else 1 + -(-(new_people - room) // limit)
    return {
        "people_per_day": limit,
        "used_last_24_hours": portfolio.reached,
        "head_room": room,
        "new_people": new_people,
        "days": days,
        "note": (
            "People outside a service window who were not written to in the last 24 hours count "
            "against the limit; all numbers of the portfolio share it. This plan reserves none of "
            f"it: with the room of now it takes {days} day{'s' if days > 1 else ''}."
        ),
    }


def _variants(variants: Sequence[Variant], sent: Sequence[Group]) -> list[dict[str, object]]:
    queued = _totals((group.variant or "", group.people) for group in sent)
    return [
        {
            "name": variant.name,
            "percent": str(variant.end - variant.begin),
            "template": variant.template.name,
            "language": variant.template.language,
            "version_hash": variant.template.version_hash,
            "queued": queued.get(variant.name or "", 0),
        }
        for variant in variants
    ]


def _totals(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    totals: dict[str, int] = defaultdict(int)
    for key, people in pairs:
        totals[key] += people
    return dict(sorted(totals.items()))


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _sample(shape: TemplateShape, sample: PlanSample) -> dict[str, object]:
    return {
        "address": mask_address(sample.address),
        "country": sample.country,
        "market": sample.market,
        "variant": sample.variant,
        "text": _text(shape, sample.content),
    }


def mask_address(address: str) -> str:
    """An address of which a person recognises their own: country and the last two characters."""
    head = address[:3]
    return f"{head}{'•' * max(4, len(address) - 5)}{address[-2:]}"


def _text(shape: TemplateShape, content: Mapping[str, object]) -> str:
    """The body as the person will read it, from the very content that will be sent."""
    template = content.get("template")
    components = template.get("components", []) if isinstance(template, dict) else []
    texts: list[str] = []
    for component in components:
        if component.get("type") == "body":
            texts = [str(parameter.get("text", "")) for parameter in component["parameters"]]
    try:
        return render_body(shape, dict(zip(shape.body_parameters, texts, strict=True)))
    except (InvalidInput, ValueError):
        return shape.body
