"""Which methods an address takes: the `Allow` of a 405, over all routes that share the address."""

import re
from collections.abc import Iterator
from typing import cast

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.requests import Request


def allowed_methods(request: Request) -> tuple[str, ...]:
    """The methods of the request's address, sorted; none for an address that isn't ours.

    An address without an id is itself, also where a route with an id would take its word for one.
    """
    routes = list(_matching(request))
    own = [methods for methods, literal in routes if literal] or [each for each, _ in routes]
    return tuple(sorted({method for methods in own for method in methods}))


def is_misaddressed(request: Request) -> bool:
    """Whether the route that was found took a fixed word of another address for an id."""
    literal = [methods for methods, is_literal in _matching(request) if is_literal]
    return bool(literal) and all(request.method not in methods for methods in literal)


def _matching(request: Request) -> Iterator[tuple[set[str], bool]]:
    """Methods of each route of the address, and whether it has no parameter."""
    path = request.scope["path"]
    for pattern, methods, literal in _routes(cast("FastAPI", request.app)):
        if pattern.match(path):
            yield methods, literal


def _routes(app: FastAPI) -> list[tuple[re.Pattern[str], set[str], bool]]:
    known: list[tuple[re.Pattern[str], set[str], bool]] | None
    known = getattr(app.state, "addresses", None)
    if known is None:
        found = (each.original_route for each in iter_route_contexts(app.routes))
        known = [
            (route.path_regex, set(route.methods or ()), "{" not in route.path)
            for route in found
            if isinstance(route, APIRoute)
        ]
        app.state.addresses = known
    return known
