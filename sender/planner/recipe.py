"""The recipe of a plan: all that the pieces of an audience need, fixed before the first of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

from core.domain.ids import WabaId
from core.domain.market import MarketMap
from core.domain.parameter_rules import (
    Rule,
    needs_exact_check,
    personal_rules,
    quick_length,
)
from core.domain.recipient_zone import country_of_prefix, zone_of_prefix
from core.domain.template import ButtonKind, TemplateShape, parse_components
from core.errors import InvalidInput
from core.store.plan_runs import AudiencePart
from core.store.plans import PlanInputs, PlanTemplate
from sender.planner.skeleton import message_format, read_sources

_SENDABLE: Final = frozenset({"APPROVED", "ACTIVE"})
_EVERYBODY: Final = Decimal(100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One arm of a campaign: who of the draw gets it, and what it says."""

    name: str | None
    begin: Decimal
    end: Decimal
    template: PlanTemplate
    shape: TemplateShape
    message: str
    rules: tuple[Rule, ...]


def own_template(inputs: PlanInputs) -> PlanTemplate:
    """The campaign's template; Raises InvalidInput when no plan can be made of it."""
    if inputs.blocked_reason is not None:
        raise InvalidInput(f"the WhatsApp account is blocked: {inputs.blocked_reason}")
    template = PlanTemplate(
        template_id=inputs.template_id,
        name=inputs.template_name,
        language=inputs.template_language,
        category=inputs.category,
        status=inputs.template_status,
        components=inputs.components,
        version_hash=inputs.version_hash,
        halted_reason=inputs.halted_reason,
        waba_id=inputs.template_waba_id,
    )
    _check(template, inputs.waba_id, inputs.category)
    return template


def wanted_variants(inputs: PlanInputs) -> list[Mapping[str, object]]:
    """The arms of the campaign's experiment as they were asked for; empty without any."""
    listed = (inputs.experiment or {}).get("variants")
    return [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []


def build_variants(
    inputs: PlanInputs, own: PlanTemplate, others: Sequence[PlanTemplate]
) -> tuple[list[Variant], list[str]]:
    """The arms of the campaign and the personal values they use, by place.

    Raises InvalidInput when an arm has no template of this account and category, when a value is
    missing or can't be sent, or when the shares don't add up to 100.
    """
    known = {str(template.template_id): template for template in (own, *others)}
    attributes: dict[str, int] = {}
    variants: list[Variant] = []
    begin = Decimal(0)
    wanted = wanted_variants(inputs) or [{"name": None, "percent": "100"}]
    for arm in wanted:
        template = known.get(str(arm.get("template_id") or own.template_id))
        if template is None:
            raise InvalidInput("a variant's template is unknown", pointer="/experiment")
        _check(template, inputs.waba_id, inputs.category)
        end = begin + percent(arm.get("percent"))
        given = arm.get("parameters")
        variants.append(
            _variant(
                name=None if arm.get("name") is None else str(arm["name"]),
                share=(begin, end),
                template=template,
                parameters=given if isinstance(given, Mapping) else inputs.parameters,
                attributes=attributes,
            )
        )
        begin = end
    if begin != _EVERYBODY:
        raise InvalidInput("the variants' shares must add up to 100", pointer="/experiment")
    return variants, list(attributes)


def _variant(
    *,
    name: str | None,
    share: tuple[Decimal, Decimal],
    template: PlanTemplate,
    parameters: Mapping[str, object],
    attributes: dict[str, int],
) -> Variant:
    shape = parse_components(template.components)
    sources = read_sources(parameters, attributes)
    message = message_format(
        shape=shape, name=template.name, language=template.language, sources=sources
    )
    return Variant(
        name=name,
        begin=share[0],
        end=share[1],
        template=template,
        shape=shape,
        message=message,
        rules=personal_rules(shape, sources, category=template.category),
    )


def own_hashes(variants: Sequence[Variant], inputs: PlanInputs) -> dict[str, str]:
    """The template versions of arms whose template is not the campaign's own, by name."""
    return {
        variant.name: variant.template.version_hash
        for variant in variants
        if variant.name is not None and variant.template.template_id != inputs.template_id
    }


def percent(given: object) -> Decimal:
    """A share in [0, 100]. Raises InvalidInput."""
    try:
        share = Decimal(str(given))
    except InvalidOperation:
        share = Decimal(-1)
    if not 0 <= share <= _EVERYBODY:
        raise InvalidInput("a share is a percentage from 0 to 100", pointer="/experiment")
    return share


def build_recipe(
    inputs: PlanInputs,
    *,
    variants: Sequence[Variant],
    attributes: Sequence[str],
    audience: Sequence[AudiencePart],
    market_map: MarketMap,
    known_zones: Sequence[str],
) -> dict[str, object]:
    """The parameters of `plan_chunk`, as JSON."""
    holdout = percent((inputs.experiment or {}).get("holdout_percent", "0"))
    waves = wave_ends(inputs.canary)
    return {
        "list_id": str(inputs.list_id),
        "phone_number_id": inputs.phone_number_id,
        "waba_id": inputs.waba_id,
        "portfolio_id": inputs.portfolio_id,
        "category": inputs.category,
        "send_at": inputs.send_at.isoformat(),
        "scheduled_at": inputs.scheduled_at and inputs.scheduled_at.isoformat(),
        "is_local": inputs.local_delivery and inputs.scheduled_at is not None,
        "is_dry_run": inputs.plan_dry_run,
        "tenant_zone": inputs.tenant_timezone,
        "blocked_countries": inputs.blocked_countries,
        "needs_phone": needs_phone(variants),
        "holdout": float(holdout),
        "has_draw": len(variants) > 1,
        "has_waves": bool(waves),
        # Whoever lies beyond the last share belongs to the last wave.
        "wave_ends": waves[:-1],
        "has_values": bool(attributes),
        "attributes": list(attributes),
        "known_zones": list(known_zones),
        **_places(audience, market_map, inputs, known_zones),
        **_variant_columns(variants),
    }


def wave_ends(canary: Mapping[str, object] | None) -> list[float]:
    """The ends of a canary's waves in [0, 100], rising; empty without one."""
    listed = (canary or {}).get("percents")
    ends = [float(percent(end)) for end in listed] if isinstance(listed, list) else []
    if ends != sorted(set(ends)):
        raise InvalidInput("a canary's percents must rise", pointer="/canary")
    return ends


def needs_phone(variants: Sequence[Variant]) -> bool:
    """Whether Meta takes only phones: one tap, zero tap and copied codes (131062)."""
    return any(
        variant.template.category == "authentication"
        and any(button.kind is ButtonKind.ONE_TIME_CODE for button in variant.shape.buttons)
        for variant in variants
    )


def _variant_columns(variants: Sequence[Variant]) -> dict[str, object]:
    rules = [(number, rule) for number, variant in enumerate(variants, 1) for rule in variant.rules]
    return {
        "variant_names": [variant.name for variant in variants],
        "variant_begins": [float(variant.begin) for variant in variants],
        "variant_ends": [float(variant.end) for variant in variants],
        "variant_templates": [str(variant.template.template_id) for variant in variants],
        "variant_formats": [variant.message for variant in variants],
        "variant_quick_lengths": [quick_length(variant.rules) for variant in variants],
        "variant_exact": [needs_exact_check(variant.rules) for variant in variants],
        "rule_variants": [number for number, _ in rules],
        "rule_parameters": [rule.parameter for _, rule in rules],
        "rule_codes": [rule.code.value for _, rule in rules],
        "rule_slots": ["{" + ",".join(map(str, rule.places)) + "}" for _, rule in rules],
        "rule_limits": [rule.most for _, rule in rules],
    }


def _places(
    audience: Sequence[AudiencePart],
    market_map: MarketMap,
    inputs: PlanInputs,
    known_zones: Sequence[str],
) -> dict[str, object]:
    """Market, country and zone of each beginning of an address, on the account's day."""
    prefixes = sorted({part.prefix for part in audience})
    day = inputs.local_date
    zones = [zone_of_prefix(prefix) for prefix in prefixes]
    return {
        "prefixes": prefixes,
        "markets": [market_map.market_for(prefix, day) for prefix in prefixes],
        "countries": [
            market_map.country_for(prefix, day) or country_of_prefix(prefix) for prefix in prefixes
        ],
        "zones": [zone if zone in known_zones else None for zone in zones],
    }


def audience_zones(audience: Sequence[AudiencePart]) -> list[str]:
    """Every zone name that may be frozen into a row."""
    found = {zone_of_prefix(part.prefix) for part in audience}
    found |= {part.timezone for part in audience}
    return sorted(zone for zone in found if zone)


def _check(template: PlanTemplate, waba_id: WabaId, category: str) -> None:
    """What makes every plan impossible, said before anything is written."""
    if template.waba_id != waba_id:
        raise InvalidInput("the template belongs to another WhatsApp account than the number")
    if template.status.upper() not in _SENDABLE:
        raise InvalidInput(f"the template is {template.status.lower()}, not approved")
    if template.halted_reason is not None:
        raise InvalidInput(f"the template is halted: {template.halted_reason}")
    if template.category != category:
        raise InvalidInput(
            "all variants must have one category: it decides price and consent",
            pointer="/experiment",
        )


def template_ids(inputs: PlanInputs) -> list[str]:
    """The templates the arms of the experiment name."""
    return [str(arm["template_id"]) for arm in wanted_variants(inputs) if arm.get("template_id")]
