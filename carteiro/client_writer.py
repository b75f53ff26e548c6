"""Writes the Python client of the API: one file, from the OpenAPI document alone.

Types are TypedDicts, so that an answer is the JSON that came. `docs/api/carteiro_client.py` is what
this writes; a test holds the two equal.
"""

import keyword
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from carteiro.client_operations import Types, methods_of, quoted

_BASE: Final = Path(__file__).with_name("client_base.py")
_HEAD: Final = '''"""A client of Carteiro's API {version}: made from its document, not to be edited.

    from carteiro_client import ApiError, Client

    with Client("https://api.example.com", "ctr_live_...") as client:
        for campaign in client.iter_campaigns(state="running"):
            print(campaign["name"])

Needs httpx and Python 3.11. Made anew by `carteiro openapi --client FILE`.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict, cast
'''
_CLASS: Final = (
    "class Client(BaseClient):\n"
    '    """Every operation under its own name; `iter_...` reads a list to its end."""'
)


def client_of(document: Mapping[str, Any]) -> str:
    """The text of the client's one file."""
    schemas: Mapping[str, Any] = document["components"]["schemas"]
    types = Types()
    methods = list(methods_of(document, types))
    wanted = _closure(schemas, types)
    parts = [_HEAD.format(version=document["info"]["version"]), _base()]
    aliases = [name for name in wanted if "properties" not in schemas[name]]
    parts += [_typed_dict(name, schemas[name], types) for name in wanted if name not in aliases]
    parts += [f"{name} = {types.of(schemas[name])}" for name in aliases]
    inside = [_CLASS, *methods]
    parts.append("\n\n".join(inside))
    return "\n\n\n".join(part.strip("\n") for part in parts) + "\n"


def _base() -> str:
    """The base without its docstring."""
    text = _BASE.read_text("utf-8")
    return text.partition('"""\n')[2]


def _closure(schemas: Mapping[str, Any], types: Types) -> list[str]:
    """Names of all schemas that operations need, also through others, sorted."""
    done: set[str] = set()
    while waiting := types.named - done:
        for name in sorted(waiting):
            done.add(name)
            for each in (schemas[name], *schemas[name].get("properties", {}).values()):
                types.of(each)
    return sorted(done)


def _typed_dict(name: str, schema: Mapping[str, Any], types: Types) -> str:
    members = dict(_members(schema, types))
    text = str(schema.get("description", name)).split("\n")[0]
    if any(keyword.iskeyword(member) or not member.isidentifier() for member in members):
        # A member's name that Python keeps for itself: the types are read when they are asked for.
        inside = "".join(
            f"        {quoted(member)}: {quoted(kind)},\n" for member, kind in members.items()
        )
        return f'#: {text}\n{name} = TypedDict(\n    "{name}",\n    {{\n{inside}    }},\n)'
    inside = "".join(f"    {member}: {kind}\n" for member, kind in members.items())
    return f'class {name}(TypedDict):\n    """{text}"""\n\n{inside}'


def _members(schema: Mapping[str, Any], types: Types) -> Iterator[tuple[str, str]]:
    required = set(schema.get("required", ()))
    for name, member in schema["properties"].items():
        kind = types.of(member)
        yield name, kind if name in required else f"NotRequired[{kind}]"
