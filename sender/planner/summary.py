"""The plan as people read it: who, what it costs, how long it takes, what it looks like. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from core.domain.template import TemplateShape, render_body
from core.errors import InvalidInput
from core.store.plans import PlanCount, PlanInputs, PlanSample

_CAMPAIGN_SHARE: Final = Decimal("0.8")
_SCALE: Final = Decimal("0.000001")


def summarise(
    *,
    inputs: PlanInputs,
    shape: TemplateShape,
    counts: Sequence[PlanCount],
    rates: Mapping[str, Decimal],
    samples: Sequence[PlanSample],
    neighbours: int,
) -> dict[str, object]:
    """The plan's JSON. Money is a decimal as text; what has no rate is counted, never priced 0."""
    queued = sum(count.messages for count in counts if count.state == "queued")
    excluded: dict[str, int] = defaultdict(int)
    for count in counts:
        if count.exclusion_reason:
            excluded[count.exclusion_reason] += count.messages
    return {
        "version": 1,
        "audience": {
            "total": queued + sum(excluded.values()),
            "queued": queued,
            "excluded": sum(excluded.values()),
            "excluded_by_reason": dict(sorted(excluded.items())),
        },
        "cost": _cost(inputs, counts, rates),
        "finish": _finish(inputs, queued, neighbours),
        "limits": {
            "throughput_per_second": inputs.throughput_per_second,
            "note": (
                "Meta's limit of people reached in 24 hours belongs to the whole business "
                "portfolio; this plan does not reserve a part of it."
            ),
        },
        "template": {
            "name": inputs.template_name,
            "language": inputs.template_language,
            "category": inputs.category,
            "version_hash": inputs.version_hash,
        },
        "samples": [_sample(shape, sample) for sample in samples],
    }


def _cost(
    inputs: PlanInputs, counts: Sequence[PlanCount], rates: Mapping[str, Decimal]
) -> dict[str, object]:
    by_market: dict[str | None, int] = defaultdict(int)
    for count in counts:
        if count.state == "queued":
            by_market[count.market] += count.messages
    lines, total, unknown = [], Decimal(0), 0
    for market, messages in sorted(by_market.items(), key=lambda item: item[0] or "~"):
        rate = rates.get(market) if market is not None else None
        cost = None if rate is None else rate * messages
        if cost is None:
            unknown += messages
        else:
            total += cost
        lines.append(
            {
                "market": market,
                "category": inputs.category,
                "messages": messages,
                "rate": None if rate is None else str(rate.normalize()),
                "cost": None if cost is None else str(cost.quantize(_SCALE)),
            }
        )
    return {
        "currency": inputs.currency,
        "total": str(total.quantize(_SCALE)),
        "unknown_messages": unknown,
        "rate_date": inputs.local_date.isoformat(),
        "note": "Meta's list rate, first tier, if every message is delivered and none is free.",
        "lines": lines,
    }


def _finish(inputs: PlanInputs, queued: int, neighbours: int) -> dict[str, object]:
    """Between the full rate of the number, and a campaign's share of the rate it has now."""
    granted = max(inputs.granted_per_second * _CAMPAIGN_SHARE / (neighbours + 1), Decimal(1))
    return {
        "messages_per_second": inputs.throughput_per_second,
        "seconds_at_best": -(-queued // inputs.throughput_per_second),
        "seconds_at_worst": int((queued / granted).to_integral_value(rounding="ROUND_CEILING")),
        "campaigns_on_the_number": neighbours,
    }


def _sample(shape: TemplateShape, sample: PlanSample) -> dict[str, object]:
    return {
        "address": mask_address(sample.address),
        "country": sample.country,
        "market": sample.market,
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
