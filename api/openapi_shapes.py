"""What the shapes of the document lack: wall clocks, names of members, demanded headers."""

from typing import Any, Final

#: In the schema of an optional header: without it the operation refuses, in its own words.
DEMANDED: Final = "x-demanded"
_TIME: Final = "([01][0-9]|2[0-3]):[0-5][0-9]"
_DATE: Final = "[1-9][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_WALL_CLOCK: Final = f"^{_TIME}(:[0-5][0-9])?$"
_LOCAL_TIME: Final = rf"^{_DATE}T{_TIME}(:[0-5][0-9](\.[0-9]{{1,6}})?)?$"


def complete_shapes(node: Any, name: str = "") -> None:
    """Add to every schema what its model enforces and does not say."""
    if isinstance(node, list):
        for item in node:
            complete_shapes(item, name)
    if not isinstance(node, dict):
        return
    _describe_local_times(node, name)
    if "patternProperties" in node:
        # A name that no pattern knows is refused.
        node.setdefault("additionalProperties", False)
    for key, item in node.items():
        inside = key in {"anyOf", "items"}
        complete_shapes(item, name if inside else key)


def _describe_local_times(node: dict[str, Any], name: str) -> None:
    """Wall-clock times have no offset, which the formats of JSON Schema demand."""
    if node.get("format") == "time":
        node.setdefault("pattern", _WALL_CLOCK)
        del node["format"]
    elif node.get("format") == "date-time" and name.endswith("_local"):
        node["pattern"] = _LOCAL_TIME
        del node["format"]


def take_demand(parameter: dict[str, Any]) -> None:
    """A parameter that only its operation demands is required, and never null."""
    schema = parameter["schema"]
    if schema.pop(DEMANDED, False):
        parameter["required"] = True
        schema.pop("anyOf")
        schema["type"] = "string"
