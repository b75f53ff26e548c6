"""The message of a campaign, built once and cut where each person's own values go."""

import re
import secrets
from collections.abc import Mapping

import orjson

from core.domain.template import (
    TemplateShape,
    missing_parameters,
    send_components,
)
from core.errors import InvalidInput
from core.store.plans import Skeleton
from core.whatsapp.payloads import template_message


def build_skeleton(
    *, shape: TemplateShape, name: str, language: str, parameters: Mapping[str, object]
) -> Skeleton:
    """The campaign's message as text, cut at its personal values.

    `parameters` maps each parameter to {"attribute": name} or {"value": constant}. Raises
    InvalidInput when one is missing or is neither: before anybody is written to.
    """
    # Each personal value is stood in for by a text that nobody can guess, so that no constant can
    # be taken for one. It looks like a link, for a header's file is built by what it looks like.
    mark = f"https://{secrets.token_hex(16)}.invalid/"
    attributes: dict[str, int] = {}
    values: dict[str, str] = {}
    for key, source in parameters.items():
        constant, attribute = _source(key, source)
        if attribute is not None:
            position = attributes.setdefault(attribute, len(attributes) + 1)
            values[key] = f"{mark}{position}"
        else:
            values[key] = constant
    missing = missing_parameters(shape, values)
    if missing:
        raise InvalidInput(
            f"the template needs values for: {', '.join(missing)}", pointer="/parameters"
        )
    message = template_message(
        name=name, language=language, components=send_components(shape, values)
    )
    pieces = re.split(f'"{re.escape(mark)}([0-9]+)"', orjson.dumps(message).decode())
    slots = [int(position) for position in pieces[1::2]]
    used = sorted(set(slots))
    kept = {position: number for number, position in enumerate(used, start=1)}
    names = {position: attribute for attribute, position in attributes.items()}
    header = values.get("header", "")
    links = [kept[slot] for slot in used if header == f"{mark}{slot}"]
    return Skeleton(
        pieces=tuple(pieces[0::2]),
        slots=(*(kept[slot] for slot in slots), None),
        attributes=tuple(names[position] for position in used),
        links=tuple(links),
    )


def _source(key: str, source: object) -> tuple[str, str | None]:
    """A parameter's constant, or the attribute it comes from."""
    if isinstance(source, Mapping):
        attribute, value = source.get("attribute"), source.get("value")
        if isinstance(attribute, str) and attribute:
            return "", attribute
        if isinstance(value, (str, int, float)) and not isinstance(value, bool):
            return str(value), None
    raise InvalidInput(
        "a parameter is {'attribute': name} or {'value': text}", pointer=f"/parameters/{key}"
    )
