"""Where the values of a template's parameters come from."""

from typing import Annotated

from pydantic import Field

from api.dto import AttributeName, AttributeValue, Request

ParameterKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.]{1,80}$")]


class FromAttribute(Request):
    """The value is the person's attribute (`name` is the person's name)."""

    attribute: AttributeName


class FromValue(Request):
    """The same value for everybody."""

    value: AttributeValue
