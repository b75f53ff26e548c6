"""Which refusals of a request that fits the document are the document's fault."""

from typing import Any, Final, get_args

from pydantic_core.core_schema import ErrorType

#: Rules of shape: whoever fits the document never meets one. Rules of ours have other names.
_SHAPES: Final = frozenset(each.replace("_", "-") for each in get_args(ErrorType))


def refused_by_shape(problem: dict[str, Any], body: Any) -> bool:
    """Whether a rule was broken that the document could have stated."""
    return any(
        error["code"] in _SHAPES and not _is_beyond_schemas(error, body)
        for error in problem.get("errors", ())
    )


def _is_beyond_schemas(error: dict[str, str], body: Any) -> bool:
    """A day that its month doesn't have; 4.0 where JSON Schema sees a whole number and we don't."""
    code, detail = error["code"], error["detail"]
    if code == "too-long":
        # Meta's limits of templates by category; pydantic's rule of this name is about lists.
        return " should have at most " not in detail
    if code == "datetime-from-date-parsing":
        return "day value is outside" in detail
    value = body
    for part in error["pointer"].split("/")[1:]:
        if isinstance(value, list) and part.isdigit():
            value = value[int(part)]
        else:
            value = value.get(part) if isinstance(value, dict) else None
    return code == "int-type" and isinstance(value, float) and value.is_integer()
