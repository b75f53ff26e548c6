"""The message of a campaign, built once, with a place where each person's own value goes."""

import re
import secrets
from collections.abc import Mapping

import orjson

from core.domain.parameter_rules import Source
from core.domain.template import (
    TemplateShape,
    missing_parameters,
    send_components,
)
from core.errors import InvalidInput
from core.whatsapp.payloads import template_message


def read_sources(parameters: Mapping[str, object], attributes: dict[str, int]) -> dict[str, Source]:
    """Where each parameter's value comes from; new attributes are added to `attributes`.

    `parameters` maps each parameter to {"attribute": name} or {"value": constant}; `attributes` are
    the personal values by name, with their places from 1. Raises InvalidInput for anything else.
    """
    sources: dict[str, Source] = {}
    for key, given in parameters.items():
        constant, attribute = _source(key, given)
        if attribute is None:
            sources[key] = Source(constant=constant)
        else:
            place = attributes.setdefault(attribute, len(attributes) + 1)
            sources[key] = Source(place=place)
    return sources


def message_format(
    *, shape: TemplateShape, name: str, language: str, sources: Mapping[str, Source]
) -> str:
    """The message as text for PostgreSQL's format(): `%n$s` where the n-th personal value goes.

    Raises InvalidInput when a value is missing: before anybody is written to.
    """
    # Each personal value is stood in for by a text that nobody can guess, so that no constant can
    # be taken for one. It looks like a link, for a header's file is built by what it looks like.
    mark = f"https://{secrets.token_hex(16)}.invalid/"
    values = {
        key: source.constant if source.place is None else f"{mark}{source.place}"
        for key, source in sources.items()
    }
    missing = missing_parameters(shape, values)
    if missing:
        raise InvalidInput(
            f"the template needs values for: {', '.join(missing)}", pointer="/parameters"
        )
    message = template_message(
        name=name, language=language, components=send_components(shape, values)
    )
    text = orjson.dumps(message).decode().replace("%", "%%")
    return re.sub(f'"{re.escape(mark)}([0-9]+)"', r"%\1$s", text)


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
