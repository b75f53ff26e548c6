"""Templates: which values one takes, and the message made of it.

Meta describes a template as a list of components; this module reads that list once, at sync, and
from then on works with `TemplateShape`. Values are a flat mapping; its keys are:
`1`, `2` ... or `first_name` for the body, `header.1` or `header.first_name` for a header's text,
`header` for a header's file (an https link, or the id of an uploaded file), `header.latitude`,
`header.longitude`, `header.name` and `header.address` for a header's place, `button.0` for the
button at that index (the end of its link, its code, its payload, its flow token).
In templates with named parameters a header may share the body's name.
Source: Meta, templates overview and components, as read on 2026-09-11.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from core.errors import InvalidInput

_PLACEHOLDER: Final = re.compile(r"\{\{\s*([A-Za-z0-9_]{1,64})\s*\}\}")
_OTP_PATH: Final = "/otp/code"
_PLAIN_BUTTONS: Final = frozenset({"PHONE_NUMBER", "VOICE_CALL", "CATALOG"})
_PLACE: Final = ("latitude", "longitude", "name", "address")
_IGNORED_COMPONENTS: Final = frozenset({"FOOTER", "CALL_PERMISSION_REQUEST"})


class HeaderFormat(StrEnum):
    """What stands above the body."""

    NONE = "none"
    TEXT = "text"
    IMAGE = "image"
    VIDEO = "video"
    DOCUMENT = "document"
    LOCATION = "location"


MEDIA: Final = frozenset({HeaderFormat.IMAGE, HeaderFormat.VIDEO, HeaderFormat.DOCUMENT})


class ButtonKind(StrEnum):
    """Buttons that take a value; others need none and don't appear."""

    URL = "url"
    COPY_CODE = "copy_code"
    ONE_TIME_CODE = "one_time_code"
    QUICK_REPLY = "quick_reply"
    FLOW = "flow"


#: Buttons that go without a value too: Meta then makes up the payload or the token.
_OPTIONAL: Final = frozenset({ButtonKind.QUICK_REPLY, ButtonKind.FLOW})


@dataclass(frozen=True, slots=True, kw_only=True)
class ButtonShape:
    """A button that takes one value, by its place among all buttons (from 0).

    `fixed_length` is how many characters of its link the template itself has.
    """

    index: int
    kind: ButtonKind
    fixed_length: int = 0

    @property
    def key(self) -> str:
        """The key of its value."""
        return f"button.{self.index}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateShape:
    """What a template consists of, as far as sending needs it.

    `unsupported` names components this version can't fill (carousels ...); a template with any of
    them can't be planned.
    """

    body: str
    body_parameters: tuple[str, ...]
    named: bool
    header: HeaderFormat
    header_text: str
    header_parameters: tuple[str, ...]
    buttons: tuple[ButtonShape, ...]
    unsupported: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueSlot:
    """One value a template takes: its key, and the key that may stand in for it."""

    key: str
    fallback: str | None = None
    is_optional: bool = False

    def value(self, values: Mapping[str, str]) -> str:
        """The value in the one line that Meta takes, empty when it is missing.

        Meta refuses line breaks, tabs and runs of blanks inside a parameter (132000 family).
        """
        found = values.get(self.key)
        if found is None and self.fallback is not None:
            found = values.get(self.fallback)
        return " ".join((found or "").split())


def parse_components(components: object) -> TemplateShape:
    """The shape of Meta's component list. Raises InvalidInput when it isn't such a list."""
    if not isinstance(components, Sequence) or isinstance(components, (str, bytes)):
        raise InvalidInput("template components must be a list", pointer="/components")
    parts = {_type_of(part): part for part in components if isinstance(part, Mapping)}
    if "BODY" not in parts:
        raise InvalidInput("a template needs a BODY component", pointer="/components")
    body = _text(parts["BODY"], "text")
    header, header_text, unsupported = _header(parts.get("HEADER"))
    buttons, odd_buttons = _buttons(parts.get("BUTTONS"))
    known = {"BODY", "HEADER", "BUTTONS"} | _IGNORED_COMPONENTS
    odd = tuple(sorted(kind.lower() for kind in parts if kind not in known))
    names = _parameters(body)
    return TemplateShape(
        body=body,
        body_parameters=names,
        named=any(not name.isdigit() for name in (*names, *_parameters(header_text))),
        header=header,
        header_text=header_text,
        header_parameters=_PLACE if header is HeaderFormat.LOCATION else _parameters(header_text),
        buttons=buttons,
        unsupported=(*unsupported, *odd_buttons, *odd),
    )


def required_parameters(shape: TemplateShape) -> tuple[str, ...]:
    """The keys of all values the template takes, in the order header, body, buttons."""
    return tuple(slot.key for slot in value_slots(shape) if not slot.is_optional)


def placeholders(text: str) -> tuple[str, ...]:
    """The parameters of a text, each once: numbers in their order, names as they appear."""
    return _parameters(text)


def fill(text: str, values: Mapping[str, str], prefix: str = "") -> str:
    """A text with the values that are there; a parameter without one stays as it is written.

    `prefix` (`header.`) is looked for first, then the bare name, as `value_slots` has it.
    """

    def put(match: re.Match[str]) -> str:
        found = values.get(f"{prefix}{match[1]}") or (values.get(match[1]) if prefix else None)
        return " ".join((found or "").split()) or match[0]

    return _PLACEHOLDER.sub(put, text)


def literal_length(text: str) -> int:
    """How many characters of a template's text are its own."""
    return len(_PLACEHOLDER.sub("", text))


def count_uses(text: str, name: str) -> int:
    """How often a text holds the value of a parameter."""
    return sum(match[1] == name for match in _PLACEHOLDER.finditer(text))


def missing_parameters(shape: TemplateShape, values: Mapping[str, str]) -> tuple[str, ...]:
    """The keys for which there is no value, or only blanks; empty when the message can be made."""
    return tuple(
        slot.key for slot in value_slots(shape) if not slot.is_optional and not slot.value(values)
    )


def render_body(shape: TemplateShape, values: Mapping[str, str]) -> str:
    """The body as the person will read it. Raises InvalidInput when a value is missing.

    Values are put in as they are: a value that looks like a placeholder stays text.
    """
    _require_complete(shape, values)
    return _PLACEHOLDER.sub(lambda match: ValueSlot(key=match[1]).value(values), shape.body)


def send_components(shape: TemplateShape, values: Mapping[str, str]) -> list[dict[str, object]]:
    """The `components` of the send payload. Raises InvalidInput when a value is missing."""
    _require_complete(shape, values)
    if shape.unsupported:
        raise InvalidInput(f"the template has parts not supported: {', '.join(shape.unsupported)}")
    components: list[dict[str, object]] = []
    header = _header_values(shape, values)
    if header:
        components.append({"type": "header", "parameters": header})
    if shape.body_parameters:
        slots = [ValueSlot(key=name) for name in shape.body_parameters]
        components.append({"type": "body", "parameters": _texts(shape, slots, values)})
    components.extend(
        _button_component(button, value)
        for button in shape.buttons
        if (value := _button_slot(shape, button).value(values))
    )
    return components


def version_hash(components: object) -> str:
    """SHA-256, in hex, of what a template says; equal for equal templates, whatever the key order.

    Examples don't count: they hold links that Meta renews at every listing.
    """
    canonical = json.dumps(
        _without_examples(components), sort_keys=True, separators=(",", ":"), ensure_ascii=True
    )
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def value_slots(shape: TemplateShape) -> tuple[ValueSlot, ...]:
    """Every value the template can take, in the order header, body, buttons."""
    header = (ValueSlot(key="header"),) if shape.header in MEDIA else _header_slots(shape)
    return (
        *header,
        *(ValueSlot(key=name) for name in shape.body_parameters),
        *(_button_slot(shape, button) for button in shape.buttons),
    )


def _header_slots(shape: TemplateShape) -> tuple[ValueSlot, ...]:
    shares = shape.named and shape.header is HeaderFormat.TEXT
    return tuple(
        ValueSlot(key=f"header.{name}", fallback=name if shares else None)
        for name in shape.header_parameters
    )


def _button_slot(shape: TemplateShape, button: ButtonShape) -> ValueSlot:
    # The button of a one-time code repeats the code that stands in the body.
    code = shape.body_parameters[:1] if button.kind is ButtonKind.ONE_TIME_CODE else ()
    return ValueSlot(
        key=button.key,
        fallback=code[0] if code else None,
        is_optional=button.kind in _OPTIONAL,
    )


def _header_values(shape: TemplateShape, values: Mapping[str, str]) -> list[dict[str, object]]:
    if shape.header is HeaderFormat.NONE:
        return []
    if shape.header is HeaderFormat.TEXT:
        return _texts(shape, _header_slots(shape), values, names=shape.header_parameters)
    if shape.header is HeaderFormat.LOCATION:
        place = {part: ValueSlot(key=f"header.{part}").value(values) for part in _PLACE}
        return [{"type": "location", "location": place}]
    reference = ValueSlot(key="header").value(values)
    source = "link" if reference.startswith("https://") else "id"
    return [{"type": shape.header.value, shape.header.value: {source: reference}}]


def _texts(
    shape: TemplateShape,
    slots: Sequence[ValueSlot],
    values: Mapping[str, str],
    *,
    names: Sequence[str] | None = None,
) -> list[dict[str, object]]:
    """Text parameters in their order; named templates want the name beside each."""
    parameters: list[dict[str, object]] = []
    for slot, name in zip(slots, names or [slot.key for slot in slots], strict=True):
        own: dict[str, object] = {"parameter_name": name} if shape.named else {}
        parameters.append({"type": "text", **own, "text": slot.value(values)})
    return parameters


def _button_component(button: ButtonShape, value: str) -> dict[str, object]:
    parameter: dict[str, object]
    match button.kind:
        case ButtonKind.COPY_CODE:
            sub_type, parameter = "copy_code", {"type": "coupon_code", "coupon_code": value}
        case ButtonKind.QUICK_REPLY:
            sub_type, parameter = "quick_reply", {"type": "payload", "payload": value}
        case ButtonKind.FLOW:
            sub_type, parameter = "flow", {"type": "action", "action": {"flow_token": value}}
        case ButtonKind.URL | ButtonKind.ONE_TIME_CODE:
            sub_type, parameter = "url", {"type": "text", "text": value}
    return {
        "type": "button",
        "sub_type": sub_type,
        "index": str(button.index),
        "parameters": [parameter],
    }


def _require_complete(shape: TemplateShape, values: Mapping[str, str]) -> None:
    missing = missing_parameters(shape, values)
    if missing:
        raise InvalidInput(f"the template lacks values for: {', '.join(missing)}")


def _header(part: Mapping[str, object] | None) -> tuple[HeaderFormat, str, tuple[str, ...]]:
    if part is None:
        return HeaderFormat.NONE, "", ()
    written = _text(part, "format").lower() or "text"
    if written == HeaderFormat.TEXT:
        return HeaderFormat.TEXT, _text(part, "text"), ()
    if written in set(HeaderFormat) - {HeaderFormat.NONE}:
        return HeaderFormat(written), "", ()
    return HeaderFormat.NONE, "", (f"header.{written}",)


def _buttons(
    part: Mapping[str, object] | None,
) -> tuple[tuple[ButtonShape, ...], tuple[str, ...]]:
    listed = part.get("buttons") if part is not None else None
    if not isinstance(listed, Sequence) or isinstance(listed, str):
        return (), ()
    shapes: list[ButtonShape] = []
    unsupported: list[str] = []
    for index, button in enumerate(item for item in listed if isinstance(item, Mapping)):
        kind = _button_kind(button)
        if isinstance(kind, ButtonKind):
            fixed = len(_PLACEHOLDER.sub("", _text(button, "url")))
            shapes.append(ButtonShape(index=index, kind=kind, fixed_length=fixed))
        elif kind is not None:
            unsupported.append(kind)
    return tuple(shapes), tuple(unsupported)


def _button_kind(button: Mapping[str, object]) -> ButtonKind | str | None:
    """What value a button takes: its kind, None for no value, a text for one we can't fill."""
    kind = _type_of(button)
    url = _text(button, "url")
    if kind == "OTP" or (kind == "URL" and _OTP_PATH in url):
        return ButtonKind.ONE_TIME_CODE
    if kind == "URL":
        return ButtonKind.URL if _PLACEHOLDER.search(url) else None
    if kind in {"COPY_CODE", "QUICK_REPLY", "FLOW"}:
        return ButtonKind(kind.lower())
    return None if kind in _PLAIN_BUTTONS else f"button.{kind.lower()}"


def _parameters(text: str) -> tuple[str, ...]:
    """Each placeholder once: numbers in numeric order, names in order of appearance."""
    names = tuple(dict.fromkeys(match[1] for match in _PLACEHOLDER.finditer(text)))
    return tuple(sorted(names, key=int)) if all(name.isdigit() for name in names) else names


def _type_of(part: Mapping[str, object]) -> str:
    return _text(part, "type").upper()


def _text(part: Mapping[str, object], name: str) -> str:
    value = part.get(name)
    return value if isinstance(value, str) else ""


def _without_examples(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _without_examples(item) for key, item in value.items() if key != "example"}
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [_without_examples(item) for item in value]
    return value
