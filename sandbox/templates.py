"""Templates: what a send must bring for each, and the errors Meta gives when it doesn't."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sandbox.errors import GraphError

_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_MEDIA_FORMATS = frozenset({"IMAGE", "VIDEO", "DOCUMENT", "GIF", "LOCATION"})
_TEXT_LIKE = frozenset({"text", "currency", "date_time"})
_FORBIDDEN_TEXT = re.compile(r"[\n\t]| {5,}")
_BODY_LIMIT = 1024

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class TextShape:
    """The variables of a header or body: how many, and their names when they are named."""

    text: str
    names: tuple[str, ...]

    @property
    def named(self) -> bool:
        """True for {{first_name}}, false for {{1}} and for no variable at all."""
        return any(not name.isdigit() for name in self.names)


@dataclass(frozen=True, slots=True)
class ButtonShape:
    """A button of the template and whether a send must bring a parameter for it."""

    kind: str
    needs_parameter: bool


@dataclass(slots=True, kw_only=True)
class Pacing:
    """`first` sends pass, the next are held until `decision_ms` after the first held one."""

    first: int
    decision_ms: int
    drops: bool
    sent: int = 0
    decided_at_ms: int | None = None


@dataclass(slots=True)
class Template:
    """A template in the sandbox; its content changes by an edit only, which makes a new one."""

    id: str
    waba_id: str
    name: str
    language: str
    category: str
    status: str
    components: list[dict[str, object]]
    quality: str = "UNKNOWN"
    rejected_reason: str = "NONE"
    correct_category: str | None = None
    previous_category: str | None = None
    pauses: int = 0
    edited: bool = False
    edits_ms: list[int] = field(default_factory=list)
    pacing: Pacing | None = None
    body: TextShape = field(init=False)
    header: TextShape = field(init=False)
    header_format: str = field(init=False)
    buttons: tuple[ButtonShape, ...] = field(init=False)

    def __post_init__(self) -> None:
        by_type = {str(part.get("type", "")).upper(): part for part in self.components}
        header = by_type.get("HEADER", {})
        self.header_format = str(header.get("format", "TEXT")).upper()
        self.header = _text_shape(header)
        self.body = _text_shape(by_type.get("BODY", {}))
        self.buttons = tuple(_button_shapes(by_type.get("BUTTONS", {})))

    def describe(self) -> dict[str, object]:
        """The node as GET /{template_id} shows it."""
        named = self.body.named or self.header.named
        node: dict[str, object] = {
            "name": self.name,
            "parameter_format": "NAMED" if named else "POSITIONAL",
            "components": self.components,
            "language": self.language,
            "status": self.status,
            "category": self.category,
            "quality_score": {"score": self.quality, "date": 0},
            "rejected_reason": self.rejected_reason,
            "id": self.id,
        }
        if self.previous_category is not None:
            node["previous_category"] = self.previous_category
        if self.correct_category is not None:
            node["correct_category"] = self.correct_category
        return node

    def check_status(self) -> None:
        """Raise what Meta answers to a send of a template that isn't approved."""
        if self.status == "APPROVED":
            return
        if self.status == "PAUSED":
            raise GraphError(132015)
        if self.status == "DISABLED":
            raise GraphError(132016)
        raise GraphError(132001, f"template name ({self.name}) is not approved in {self.language}")

    def check_components(self, components: Sequence[Json]) -> None:
        """Raise 132000, 132012, 131008, 132018 or 132005 when the parameters don't fit."""
        header: Sequence[Json] = ()
        body: Sequence[Json] = ()
        buttons: dict[int, Sequence[Json]] = {}
        for component in components:
            kind = str(component.get("type", "")).lower()
            parameters = _parameters(component)
            if kind == "header":
                header = parameters
            elif kind == "body":
                body = parameters
            elif kind == "button":
                buttons[_button_index(component)] = parameters
            elif kind not in {"carousel", "limited_time_offer", "order_status", "footer"}:
                raise GraphError(100, f"Param template['components'] has unknown type {kind!r}")
        self._check_header(header)
        _check_text("body", self.body, body)
        self._check_buttons(buttons)

    def _check_header(self, parameters: Sequence[Json]) -> None:
        if self.header_format not in _MEDIA_FORMATS:
            _check_text("header", self.header, parameters)
            return
        if len(parameters) != 1:
            raise GraphError(132012, f"header: expected one {self.header_format} parameter")
        received = str(parameters[0].get("type", "")).upper()
        if received != self.header_format:
            raise GraphError(
                132012,
                f"header: Format mismatch, expected {self.header_format}, received {received}",
            )

    def _check_buttons(self, given: Mapping[int, Sequence[Json]]) -> None:
        for index in given:
            if index >= len(self.buttons):
                raise GraphError(
                    132000, f"buttons: there is no button at index {index} in the template"
                )
        for index, button in enumerate(self.buttons):
            if button.needs_parameter and not given.get(index):
                raise GraphError(
                    131008,
                    f"buttons: Button at index {index} of type {button.kind.title()} "
                    "requires a parameter",
                )


def _text_shape(component: Json) -> TextShape:
    text = str(component.get("text", ""))
    return TextShape(text, tuple(dict.fromkeys(_PLACEHOLDER.findall(text))))


def _button_shapes(component: Json) -> Iterator[ButtonShape]:
    buttons = component.get("buttons", [])
    for button in buttons if isinstance(buttons, list) else []:
        kind = str(button.get("type", "")).upper()
        dynamic_url = kind == "URL" and "{{" in str(button.get("url", ""))
        yield ButtonShape(kind, dynamic_url or kind in {"COPY_CODE", "OTP"})


def _parameters(component: Json) -> Sequence[Json]:
    parameters = component.get("parameters") or []
    if not isinstance(parameters, list) or not all(isinstance(p, dict) for p in parameters):
        raise GraphError(100, "Param template['components'][]['parameters'] must be an array")
    return parameters


def _button_index(component: Json) -> int:
    index = str(component.get("index", ""))
    if not index.isdigit():
        raise GraphError(131008, "Component of type BUTTON is missing index value")
    return int(index)


def _check_text(place: str, shape: TextShape, parameters: Sequence[Json]) -> None:
    if len(parameters) != len(shape.names):
        raise GraphError(
            132000,
            f"{place}: number of localizable_params ({len(parameters)}) does not match the "
            f"expected number of params ({len(shape.names)})",
        )
    substituted = len(shape.text)
    for parameter in parameters:
        kind = str(parameter.get("type", "")).lower()
        if kind not in _TEXT_LIKE:
            raise GraphError(132012, f"{place}: Format mismatch, expected TEXT, received {kind}")
        if kind == "text":
            substituted += len(_checked_text(place, parameter))
    if shape.named:
        names = {str(parameter.get("parameter_name", "")) for parameter in parameters}
        if names != set(shape.names):
            raise GraphError(132012, f"{place}: Parameter name is missing or does not match")
    if substituted > _BODY_LIMIT + 15 * len(shape.names):
        raise GraphError(132005, f"{place}: Translated text too long")


def _checked_text(place: str, parameter: Json) -> str:
    text = parameter.get("text")
    if not isinstance(text, str) or text == "":
        raise GraphError(131008, f"{place}: Parameter of type text is missing text value")
    if _FORBIDDEN_TEXT.search(text):
        raise GraphError(
            132018,
            "Param text cannot have new-line/tab characters or more than 4 consecutive spaces",
        )
    return text
