"""Examples of the OpenAPI document, built from the schemas and one vocabulary of values.

Every operation, also one added tomorrow, has examples that fit its schema; `words_without_value`
names what `sample_values.VALUES` doesn't know yet, and a test refuses it.
"""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from api.sample_values import PARAMETERS, VALUES

Schema = Mapping[str, Any]

_INSTANT: Final = "2026-11-23T14:05:09.123456Z"
_BY_FORMAT: Final = {
    "date-time": _INSTANT,
    "date": "2026-11-23",
    "uri-reference": "/problems/missing-parameter",
    "binary": "",
}
_SHAPES: Final = {
    "uuid": r"^[0-9a-f]{8}-",
    "date": r"^\d{4}-\d{2}-\d{2}$",
    "date-time": r"^\d{4}-\d{2}-\d{2}T.*(Z|[+-]\d{2}:\d{2})$",
}
_REF: Final = "#/components/schemas/"
_DEEPEST: Final = 12


class Examples:
    """Builds examples for the schemas of one document."""

    def __init__(self, schemas: Mapping[str, Schema]) -> None:
        self._schemas = schemas
        self.words_without_value: set[str] = set()

    def of(self, schema: Schema, *, word: str = "", owner: str = "", depth: int = 0) -> Any:
        """A value that fits `schema`; `word` is the member's name, `owner` the schema's."""
        if "$ref" in schema:
            owner = schema["$ref"].removeprefix(_REF)
            return self.of(self._schemas[owner], word=word, owner=owner, depth=depth + 1)
        if schema.get("examples"):
            return schema["examples"][0]
        if "const" in schema:
            return schema["const"]
        found, value = self._known(schema, word, owner)
        if found:
            return value
        if "enum" in schema:
            return schema["enum"][0]
        for option in schema.get("anyOf", schema.get("oneOf", [])):
            if option.get("type") != "null":
                return self.of(option, word=word, owner=owner, depth=depth)
        return self._made(schema, word, owner, depth)

    def of_parameter(self, parameter: Schema) -> Any:
        """A value for a parameter, or None where nothing says more than its schema."""
        name = parameter["name"]
        if name in PARAMETERS and self._fits(PARAMETERS[name], parameter["schema"]):
            return PARAMETERS[name]
        return self.of(parameter["schema"], word=name)

    def _known(self, schema: Schema, word: str, owner: str) -> tuple[bool, Any]:
        for key in (f"{owner}.{word}", word):
            if key in VALUES and self._fits(VALUES[key], schema):
                return True, VALUES[key]
        return False, None

    def _fits(self, value: object, schema: Schema) -> bool:
        """Whether a value of the vocabulary is of the schema's kind; tests check the rest."""
        if "$ref" in schema:
            return self._fits(value, self._schemas[schema["$ref"].removeprefix(_REF)])
        options = schema.get("anyOf", schema.get("oneOf"))
        if options:
            return any(self._fits(value, option) for option in options)
        if "enum" in schema:
            return value in schema["enum"]
        shape = schema.get("pattern") or _SHAPES.get(schema.get("format", ""), "")
        if isinstance(value, str) and not re.search(shape, value):
            return False
        kinds = schema.get("type", [])
        kinds = [kinds] if isinstance(kinds, str) else kinds
        return not kinds or _kind(value) in kinds or (_kind(value), "number") == ("integer", *kinds)

    def _made(self, schema: Schema, word: str, owner: str, depth: int) -> Any:
        kinds = schema.get("type", "object")
        kind = kinds if isinstance(kinds, str) else kinds[0]
        if kind == "object":
            return self._object(schema, word, owner, depth)
        if kind == "array":
            several = [self.of(schema["items"], word=f"{word}[]", owner=owner, depth=depth + 1)]
            return several if depth < _DEEPEST else []
        if kind in {"integer", "number"}:
            return _number(schema)
        if kind == "boolean":
            return schema.get("default", True)
        return self._text(schema, word, owner)

    def _object(self, schema: Schema, word: str, owner: str, depth: int) -> dict[str, Any]:
        members = schema.get("properties", {})
        if members and depth < _DEEPEST:
            return {
                name: self.of(member, word=name, owner=owner, depth=depth + 1)
                for name, member in members.items()
            }
        if not members and isinstance(schema.get("additionalProperties", True), bool):
            self.words_without_value.add(f"{owner}.{word}" if owner else word)
        return {}

    def _text(self, schema: Schema, word: str, owner: str) -> str:
        shape = schema.get("format")
        if shape == "uuid":
            return _id_of(word)
        if shape in _BY_FORMAT:
            return _BY_FORMAT[shape]
        self.words_without_value.add(f"{owner}.{word}" if owner else word)
        return word


def _kind(value: object) -> str:
    if value is None:
        return "null"
    by_type = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}
    return by_type.get(type(value), "object")


def _number(schema: Schema) -> int | float:
    if "default" in schema:
        return schema["default"]  # type: ignore[no-any-return]
    least = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    value = max(least, min(100, schema.get("maximum", 100)))
    return value if schema.get("type") == "number" else int(value)


def _id_of(word: str) -> str:
    """The same id for the same word everywhere, of version 7 as ours are."""
    tail = int.from_bytes(sha256(word.encode()).digest()[:6])
    return str(UUID(int=(0x019AB3F2A0017000_8000000000000000) | tail))
