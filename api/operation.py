"""The operation that a request has found."""

from fastapi.routing import APIRoute
from starlette.types import Scope


def operation_of(scope: Scope) -> str:
    """Its operation id, as in the document; "" for an address that isn't ours."""
    route = scope.get("route")
    return (route.operation_id or route.name) if isinstance(route, APIRoute) else ""
