"""The methods of the Python client, one for each operation of the document."""

import json
import keyword
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_REF: Final = "#/components/schemas/"
_PLAIN: Final = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "null": "None",
}
_JSON: Final = "application/json"
#: Served by `_call` or of no use here: what a 304 would save is a body that was already read.
_PASSED_OVER: Final = frozenset({"If-None-Match", "cursor"})
_KEY: Final = "Idempotency-Key"
_WIDTH: Final = 100


def quoted(value: object) -> str:
    """A value of JSON as Python's formatters write it."""
    names = {None: "None", True: "True", False: "False"}
    is_named = value is None or isinstance(value, bool)
    return names[value] if is_named else json.dumps(value, ensure_ascii=False)  # type: ignore[index]


def folded(before: str, parts: list[str], after: str, indent: int) -> str:
    """A call or a definition: on one line, or one line for each part where that is too long."""
    room = " " * indent
    line = f"{room}{before}({', '.join(parts)}){after}"
    if len(line) <= _WIDTH:
        return line
    inside = "".join(f"{room}    {part},\n" for part in parts)
    return f"{room}{before}(\n{inside}{room}){after}"


@dataclass(slots=True)
class Types:
    """Says schemas in Python, and remembers which named ones were needed."""

    named: set[str] = field(default_factory=set)

    def of(self, schema: Mapping[str, Any]) -> str:
        """The Python type of a schema."""
        if "$ref" in schema:
            name = str(schema["$ref"]).removeprefix(_REF)
            self.named.add(name)
            return name
        if "const" in schema:
            return f"Literal[{quoted(schema['const'])}]"
        if "enum" in schema:
            return f"Literal[{', '.join(map(quoted, schema['enum']))}]"
        several = schema.get("anyOf") or schema.get("oneOf")
        if several:
            return " | ".join(dict.fromkeys(self.of(each) for each in several))
        if schema.get("allOf"):
            return self.of(schema["allOf"][0])
        return self._of_kind(schema)

    def _of_kind(self, schema: Mapping[str, Any]) -> str:
        kind = schema.get("type")
        if isinstance(kind, list):
            return " | ".join(_PLAIN.get(each, "Any") for each in kind)
        if kind == "array":
            return f"list[{self.of(schema.get('items', {}))}]"
        if kind == "object":
            return f"dict[str, {self._of_values(schema)}]"
        return _PLAIN.get(str(kind), "Any")

    def _of_values(self, schema: Mapping[str, Any]) -> str:
        values = list(schema.get("patternProperties", {}).values())
        rest = schema.get("additionalProperties")
        if isinstance(rest, dict):
            values.append(rest)
        return " | ".join(dict.fromkeys(self.of(each) for each in values)) or "Any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of the document, and its name in Python."""

    name: str
    place: str
    kind: str
    required: bool

    @property
    def argument(self) -> str:
        """A name that Python takes: `from_`, `if_match`."""
        name = re.sub(r"\W", "_", self.name).lower()
        return f"{name}_" if keyword.iskeyword(name) else name


def methods_of(document: Mapping[str, Any], types: Types) -> Iterator[str]:
    """The text of each method, in the order of the document; of tenants' operations only."""
    for path, item in document["paths"].items():
        if not path.startswith("/v1/"):
            continue
        for method, operation in item.items():
            parameters = [
                Parameter(
                    name=each["name"],
                    place=each["in"],
                    kind=types.of(each["schema"]),
                    required=bool(each.get("required")),
                )
                for each in operation.get("parameters", ())
            ]
            yield _method(method.upper(), path, operation, parameters, types)
            item_kind = _item_kind(document, operation, parameters)
            if item_kind is not None:
                types.of({"$ref": _REF + item_kind})
                yield _iterator(path, operation, parameters, item_kind)


def _method(
    method: str,
    path: str,
    operation: Mapping[str, Any],
    parameters: list[Parameter],
    types: Types,
) -> str:
    contents = operation.get("requestBody", {}).get("content", {})
    first = [f"{each.argument}: str" for each in parameters if each.place == "path"]
    passed = []
    if _JSON in contents:
        needed = operation["requestBody"].get("required", False)
        kind = types.of(contents[_JSON]["schema"])
        first.append(f"body: {kind}" if needed else f"body: {kind} | None = None")
        passed.append("json=body")
    elif contents:
        names = ", ".join(quoted(name) for name in contents)
        first += ["content: bytes", f"content_type: Literal[{names}]"]
        passed.append("content=content")
    wanted = [each for each in parameters if each.name not in _PASSED_OVER or each.name == "cursor"]
    named = _named([each for each in wanted if each.place != "path"])
    passed += _sent(wanted, with_type=bool(contents) and _JSON not in contents)
    arguments = ["self", *first, *(["*", *named] if named else [])]
    kind, returned = _answer(operation, types)
    name = f"def {operation['operationId']}"
    parts = [quoted(method), _address(path, parameters), *passed]
    return "\n".join(
        [
            folded(name, arguments, f" -> {kind}:", 4),
            f'        """{operation["summary"]}."""',
            folded("answer = self._call" if returned else "self._call", parts, "", 8),
            *([f"        return {returned}"] if returned else []),
        ]
    )


def _iterator(
    path: str, operation: Mapping[str, Any], parameters: list[Parameter], item_kind: str
) -> str:
    wanted = [each for each in parameters if each.name not in _PASSED_OVER]
    first = [f"{each.argument}: str" for each in wanted if each.place == "path"]
    named = _named([each for each in wanted if each.place != "path"])
    query = _mapping([each for each in wanted if each.place == "query"])
    name = str(operation["operationId"]).removeprefix("list_")
    arguments = ["self", *first, *(["*", *named] if named else [])]
    return "\n".join(
        [
            folded(f"def iter_{name}", arguments, f" -> Iterator[{item_kind}]:", 4),
            f'        """{operation["summary"]}: all of them, page by page."""',
            folded("yield from self._pages", [_address(path, parameters), query], "", 8),
        ]
    )


def _named(parameters: list[Parameter]) -> list[str]:
    """Arguments by name: those that the operation demands first."""
    made = []
    for each in sorted(parameters, key=lambda one: not one.required or one.name == _KEY):
        kind = each.kind.removesuffix(" | None")
        demanded = each.required and each.name != _KEY
        made.append(f"{each.argument}: {kind}" + ("" if demanded else " | None = None"))
    return made


def _sent(parameters: list[Parameter], *, with_type: bool) -> list[str]:
    query = [each for each in parameters if each.place == "query"]
    headers = [each for each in parameters if each.place == "header"]
    sent = [f"query={_mapping(query)}"] if query else []
    pairs = [
        f"{quoted(each.name)}: {each.argument}" + (" or new_key()" if each.name == _KEY else "")
        for each in headers
    ]
    if with_type:
        pairs.append('"Content-Type": content_type')
    return [*sent, f"headers={{{', '.join(pairs)}}}"] if pairs else sent


def _mapping(parameters: list[Parameter]) -> str:
    return "{" + ", ".join(f"{quoted(each.name)}: {each.argument}" for each in parameters) + "}"


def _address(path: str, parameters: list[Parameter]) -> str:
    for each in parameters:
        path = path.replace("{" + each.name + "}", f"{{part({each.argument})}}")
    return f'f"{path}"' if "{" in path else f'"{path}"'


def _answer(operation: Mapping[str, Any], types: Types) -> tuple[str, str]:
    """The type of what a method returns, and how it is taken from the answer; "" for nothing."""
    contents = [
        answer.get("content", {})
        for status, answer in operation["responses"].items()
        if status.startswith("2")
    ]
    kinds = dict.fromkeys(types.of(each[_JSON]["schema"]) for each in contents if _JSON in each)
    if kinds:
        kind = " | ".join(kinds)
        return kind, f'cast("{kind}", answer.json())'
    return ("bytes", "answer.content") if any(contents) else ("None", "")


def _item_kind(
    document: Mapping[str, Any], operation: Mapping[str, Any], parameters: list[Parameter]
) -> str | None:
    """The name of what a list gives; None for an operation that gives no pages."""
    if "cursor" not in {each.name for each in parameters}:
        return None
    page = operation["responses"]["200"]["content"][_JSON]["schema"]["$ref"]
    schema = document["components"]["schemas"][page.removeprefix(_REF)]
    return str(schema["properties"]["items"]["items"]["$ref"]).removeprefix(_REF)
