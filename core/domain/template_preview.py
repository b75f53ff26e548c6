"""A template as a person would read it, with the values that are there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.domain.parameter_rules import Source, personal_rules
from core.domain.template import (
    MEDIA,
    HeaderFormat,
    TemplateShape,
    fill,
    missing_parameters,
    parse_components,
    value_slots,
)
from core.errors import InvalidInput

Component = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """A button and where it leads."""

    type: str
    text: str
    value: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A variable without a value stays as it is written, and is named in `missing`."""

    header_format: str | None
    header: str | None
    body: str
    footer: str | None
    buttons: tuple[Button, ...]
    missing: tuple[str, ...]
    unknown: tuple[str, ...]
    fault: str | None


def preview(
    components: Sequence[Component], values: Mapping[str, str], *, category: str
) -> Preview:
    """Fill a template. Raises InvalidInput when the components can't be read."""
    shape = parse_components(components)
    footer = next((part.get("text") for part in components if part.get("type") == "FOOTER"), None)
    slots = value_slots(shape)
    known = {slot.key for slot in slots} | {slot.fallback for slot in slots}
    return Preview(
        header_format=None if shape.header is HeaderFormat.NONE else shape.header.value,
        header=_header(shape, values),
        body=fill(shape.body, values),
        footer=footer if isinstance(footer, str) else None,
        buttons=_buttons(components, values),
        missing=missing_parameters(shape, values),
        unknown=tuple(sorted(set(values) - known)),
        fault=_fault(shape, values, category),
    )


def _header(shape: TemplateShape, values: Mapping[str, str]) -> str | None:
    if shape.header is HeaderFormat.TEXT:
        return fill(shape.header_text, values, "header.")
    if shape.header in MEDIA:
        return values.get("header")
    return values.get("header.name") if shape.header is HeaderFormat.LOCATION else None


def _buttons(components: Sequence[Component], values: Mapping[str, str]) -> tuple[Button, ...]:
    listed = next(
        (part.get("buttons") for part in components if part.get("type") == "BUTTONS"), None
    )
    buttons = listed if isinstance(listed, list) else []
    return tuple(
        Button(
            type=str(button.get("type", "")),
            text=str(button.get("text", "")),
            value=_value(button, values.get(f"button.{index}")),
        )
        for index, button in enumerate(buttons)
        if isinstance(button, Mapping)
    )


def _value(button: Component, given: str | None) -> str | None:
    """A link with its end, a number as it is, else what was given."""
    link = button.get("url")
    if isinstance(link, str):
        # Its one variable stands at the end, whatever it is called.
        return fill(link, {"1": given} if given else {})
    number = button.get("phone_number")
    return number if isinstance(number, str) else given


def _fault(shape: TemplateShape, values: Mapping[str, str], category: str) -> str | None:
    """The first rule of Meta's that these values break, in words."""
    sources = {key: Source(constant=value) for key, value in values.items()}
    try:
        personal_rules(shape, sources, category=category)
    except InvalidInput as error:
        return error.detail
    return None
