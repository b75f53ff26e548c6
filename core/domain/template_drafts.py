"""What Meta demands of a template before it looks at it, said before it is handed in.

Components are in Meta's own form (`{"type": "BODY", "text": ...}`). Lengths in characters. Sources:
Meta, template components and template management, as read on 2026-09-11; its codes 2388040 (too
long), 2388047, 2388072, 2388073 (format of header, body, footer), 2388293 (too many variables) and
2388299 (a variable at the beginning or the end).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from core.domain.parameter_rules import BODY_LENGTH, COUPON_LENGTH, HEADER_LENGTH, LINK_LENGTH
from core.domain.template import count_uses, literal_length, placeholders

Component = Mapping[str, object]
Path = tuple[str | int, ...]

FOOTER_LENGTH: Final = 60
BUTTON_LENGTH: Final = 25
BUTTONS: Final = 10
#: Seconds that Meta may be asked to go on trying; -1, 30 days, where the category has them.
TTL_SECONDS: Final[Mapping[str, tuple[int, int]]] = {
    "authentication": (30, 900),
    "utility": (30, 43_200),
    "marketing": (43_200, 2_592_000),
}
THIRTY_DAYS: Final = -1
MEDIA_FORMATS: Final = frozenset({"IMAGE", "VIDEO", "DOCUMENT"})
_NAME: Final = re.compile(r"[a-z0-9_]{1,512}")
_NAMED: Final = re.compile(r"[a-z_][a-z0-9_]{0,63}")
_OPEN_OR_CLOSED: Final = re.compile(r"\{\{|\}\}")
_AT_AN_END: Final = re.compile(r"\A\s*\{\{|\}\}\W*\Z")
_ONE_OF_EACH: Final = frozenset({"HEADER", "BODY", "FOOTER", "BUTTONS"})
_AT_MOST: Final = {"PHONE_NUMBER": 1, "URL": 2, "COPY_CODE": 1, "OTP": 1}
_LANGUAGES: Final = """
af sq ar ar_AE ar_EG ar_LB ar_MA ar_QA az be_BY bg bn bn_IN ca cs da de de_AT de_CH el en
en_AE en_AU en_CA en_GB en_GH en_IE en_IN en_JM en_MY en_NZ en_QA en_SG en_UG en_US en_ZA es
es_AR es_CL es_CO es_CR es_DO es_EC es_ES es_HN es_MX es_PA es_PE es_UY et fa fi fil fr fr_BE
fr_CA fr_CH fr_CI fr_MA ga gu ha he hi hr hu id it ja ka kk kn ko ky_KG lo lt lv mk ml mr ms
nb nl nl_BE pa pl prs_AF ps_AF pt_BR pt_PT ro ru rw_RW si_LK sk sl sr sv sw ta te th tr uk ur
uz vi zh_CN zh_HK zh_TW zu
"""
LANGUAGES: Final = frozenset(_LANGUAGES.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that Meta would refuse: where in the template, a stable code, what to do."""

    path: Path
    code: str
    advice: str


def faults_of(
    *,
    name: str,
    language: str,
    category: str,
    components: Sequence[Component],
    ttl_seconds: int | None = None,
) -> tuple[Fault, ...]:
    """Everything that is wrong with a template, in its own order; empty when Meta would take it."""
    return tuple(_faults(name, language, category, components, ttl_seconds))


def is_named(components: Sequence[Component]) -> bool:
    """Whether its variables have names, which Meta wants to be told."""
    texts = [
        _text(part, "text") for part in components if _text(part, "type") in {"BODY", "HEADER"}
    ]
    return any(not name.isdigit() for text in texts for name in placeholders(text))


def _faults(
    name: str,
    language: str,
    category: str,
    components: Sequence[Component],
    ttl_seconds: int | None,
) -> Iterator[Fault]:
    if not _NAME.fullmatch(name):
        yield Fault(path=("name",), code="template-name", advice="Use a-z, 0-9 and _ only.")
    if language not in LANGUAGES:
        yield Fault(
            path=("language",), code="template-language", advice="Use one of Meta's: pt_BR, en_US."
        )
    if ttl_seconds is not None and not _is_ttl(category, ttl_seconds):
        least, most = TTL_SECONDS[category]
        advice = f"For {category}, {least} to {most} seconds."
        yield Fault(path=("message_send_ttl_seconds",), code="time-to-live", advice=advice)
    yield from _of_the_whole(components)
    for index, part in enumerate(components):
        yield from _of_component(category, part, ("components", index))
    if category == "authentication":
        yield from _of_authentication(components)


def _of_the_whole(components: Sequence[Component]) -> Iterator[Fault]:
    kinds = [_text(part, "type") for part in components]
    for kind in sorted(_ONE_OF_EACH):
        if kinds.count(kind) > 1:
            advice = f"A template has one {kind} at most."
            yield Fault(path=("components",), code="repeated-component", advice=advice)
    if "BODY" not in kinds:
        yield Fault(path=("components",), code="no-body", advice="Every template has a BODY.")
    if len({_is_named(part) for part in components if _has_variables(part)}) > 1:
        advice = "Number all variables or name all of them."
        yield Fault(path=("components",), code="mixed-variables", advice=advice)


def _is_ttl(category: str, seconds: int) -> bool:
    least, most = TTL_SECONDS[category]
    return least <= seconds <= most or (seconds == THIRTY_DAYS and category != "marketing")


def _of_component(category: str, part: Component, path: Path) -> Iterator[Fault]:
    match _text(part, "type"):
        case "HEADER":
            yield from _of_header(part, path)
        case "BODY" if category != "authentication":
            text = _text(part, "text")
            yield from _of_text(text, path, most=BODY_LENGTH, variables=None)
            yield from _of_examples(part, "body_text", path)
            if _AT_AN_END.search(text):
                advice = "Put words before the first variable and after the last one."
                yield Fault(path=(*path, "text"), code="variable-at-an-end", advice=advice)
            if len(placeholders(text)) * 2 >= max(1, len(text.split())):
                # ASSUMPTION: Meta publishes no figure; half of the words is surely too many.
                advice = "Write more words around the variables, or use fewer."
                yield Fault(path=(*path, "text"), code="too-many-variables", advice=advice)
        case "FOOTER" if category != "authentication":
            yield from _of_text(_text(part, "text"), path, most=FOOTER_LENGTH, variables=0)
        case "BUTTONS":
            yield from _of_buttons(category, part, path)


def _of_header(part: Component, path: Path) -> Iterator[Fault]:
    written = _text(part, "format") or "TEXT"
    if written == "TEXT":
        yield from _of_text(_text(part, "text"), path, most=HEADER_LENGTH, variables=1)
        yield from _of_examples(part, "header_text", path)
    elif "text" in part:
        advice = f"A header of format {written} has no text."
        yield Fault(path=(*path, "text"), code="header-text", advice=advice)
    if written in MEDIA_FORMATS and not _items(_example(part).get("header_handle")):
        advice = "Give the handle of an uploaded file as example.header_handle."
        yield Fault(path=(*path, "example"), code="no-example", advice=advice)


def _of_text(text: str, path: Path, *, most: int, variables: int | None) -> Iterator[Fault]:
    where, names = (*path, "text"), placeholders(text)
    if not text.strip():
        yield Fault(path=where, code="no-text", advice="Write a text.")
    if len(text) > most:
        yield Fault(path=where, code="too-long", advice=f"At most {most} characters.")
    uses = sum(count_uses(text, name) for name in names)
    if len(_OPEN_OR_CLOSED.findall(text)) != 2 * uses:
        advice = "A variable is {{1}}, {{2}} ... or {{first_name}}."
        yield Fault(path=where, code="broken-variable", advice=advice)
    if variables is not None and len(names) > variables:
        advice = f"At most {variables} variable(s) here." if variables else "No variable here."
        yield Fault(path=where, code="too-many-variables", advice=advice)
    numbers = [name for name in names if name.isdigit()]
    if numbers and numbers != [str(n) for n in range(1, len(names) + 1)]:
        advice = "Number the variables from 1 without a gap; don't mix numbers and names."
        yield Fault(path=where, code="variable-numbers", advice=advice)
    if any(not name.isdigit() and not _NAMED.fullmatch(name) for name in names):
        advice = "Names of variables are of a-z, 0-9 and _."
        yield Fault(path=where, code="variable-names", advice=advice)


def _of_examples(part: Component, member: str, path: Path) -> Iterator[Fault]:
    """Meta reviews a text with its examples: one value for each variable, or one set of them."""
    names, example = placeholders(_text(part, "text")), _example(part)
    if not names:
        return
    if _is_named(part):
        listed = _items(example.get(f"{member}_named_params"))
        given = {str(each.get("param_name")) for each in listed if isinstance(each, Mapping)}
        fits = given == set(names)
        form = f"example.{member}_named_params with param_name and example for each variable"
    else:
        values = _items(example.get(member))
        first = values[0] if values and isinstance(values[0], list) else values
        fits = len(first) == len(names)
        form = f"example.{member} with one value for each variable"
    if not fits:
        yield Fault(path=(*path, "example"), code="no-example", advice=f"Give {form}.")


def _of_buttons(category: str, part: Component, path: Path) -> Iterator[Fault]:
    buttons = [each for each in _items(part.get("buttons")) if isinstance(each, Mapping)]
    kinds = [_text(button, "type") for button in buttons]
    where = (*path, "buttons")
    if not 1 <= len(buttons) <= BUTTONS:
        yield Fault(path=where, code="how-many-buttons", advice=f"1 to {BUTTONS} buttons.")
    for kind, most in _AT_MOST.items():
        if kinds.count(kind) > most:
            yield Fault(path=where, code="how-many-buttons", advice=f"{kind}: {most} at most.")
    replies = [kind == "QUICK_REPLY" for kind in kinds]
    if sum(one != other for one, other in pairwise(replies)) > 1:
        advice = "Put the quick replies together, before or after the other buttons."
        yield Fault(path=where, code="mixed-buttons", advice=advice)
    if "OTP" in kinds and category != "authentication":
        advice = "Only authentication templates have a button for a one-time code."
        yield Fault(path=where, code="one-time-code", advice=advice)
    for index, button in enumerate(buttons):
        yield from _of_button(button, (*where, index))


def _of_button(button: Component, path: Path) -> Iterator[Fault]:
    kind, text, url = _text(button, "type"), _text(button, "text"), _text(button, "url")
    if kind not in {"COPY_CODE", "OTP"} and not text.strip():
        yield Fault(path=(*path, "text"), code="no-text", advice="Write what stands on it.")
    if len(text) > BUTTON_LENGTH:
        yield Fault(path=(*path, "text"), code="too-long", advice="At most 25 characters.")
    if placeholders(text):
        yield Fault(path=(*path, "text"), code="too-many-variables", advice="No variable here.")
    if kind == "PHONE_NUMBER" and not re.fullmatch(
        r"\+?[0-9]{5,20}", _text(button, "phone_number")
    ):
        yield Fault(path=(*path, "phone_number"), code="phone-number", advice="Digits, 20 at most.")
    if kind == "URL":
        yield from _of_link(url, path)
    needs_example = kind == "COPY_CODE" or bool(placeholders(url))
    example = _items(button.get("example"))
    if needs_example and (len(example) != 1 or not example[0]):
        yield Fault(path=(*path, "example"), code="no-example", advice="Give one example.")
    if kind == "COPY_CODE" and example and len(str(example[0])) > COUPON_LENGTH:
        advice = f"At most {COUPON_LENGTH} characters."
        yield Fault(path=(*path, "example"), code="too-long", advice=advice)


def _of_link(url: str, path: Path) -> Iterator[Fault]:
    names = placeholders(url)
    if not re.match(r"https?://[^\s{}/]+\.", url) or re.search(r"\s", url):
        advice = "A link begins with https:// and a host."
        yield Fault(path=(*path, "url"), code="not-a-link", advice=advice)
    if literal_length(url) > LINK_LENGTH:
        advice = f"At most {LINK_LENGTH} characters."
        yield Fault(path=(*path, "url"), code="too-long", advice=advice)
    if names and (len(names) > 1 or not url.endswith("}}")):
        advice = "A link has one variable, at its end."
        yield Fault(path=(*path, "url"), code="variable-in-link", advice=advice)


def _of_authentication(components: Sequence[Component]) -> Iterator[Fault]:
    """Meta writes the text of a one-time code itself; the tenant chooses its parts."""
    buttons = 0
    for index, part in enumerate(components):
        path: Path = ("components", index)
        kind = _text(part, "type")
        if kind in {"BODY", "FOOTER"} and "text" in part:
            advice = "Meta writes the text of authentication templates itself: leave it out."
            yield Fault(path=(*path, "text"), code="fixed-text", advice=advice)
        if kind == "HEADER":
            yield Fault(path=path, code="no-header-here", advice="No header in this category.")
        if kind == "BUTTONS":
            listed = [each for each in _items(part.get("buttons")) if isinstance(each, Mapping)]
            buttons += [_text(each, "type") for each in listed] == ["OTP"]
    if buttons != 1:
        advice = "Give BUTTONS with exactly one button of type OTP."
        yield Fault(path=("components",), code="one-time-code", advice=advice)


def _has_variables(part: Component) -> bool:
    return _text(part, "type") in {"BODY", "HEADER"} and bool(placeholders(_text(part, "text")))


def _is_named(part: Component) -> bool:
    return any(not name.isdigit() for name in placeholders(_text(part, "text")))


def _example(part: Component) -> Component:
    example = part.get("example")
    return example if isinstance(example, Mapping) else {}


def _items(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []


def _text(part: Component, name: str) -> str:
    value = part.get(name)
    return value if isinstance(value, str) else ""
